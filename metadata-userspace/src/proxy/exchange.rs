//! One request and its answer.

use std::pin::pin;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;

use super::guest::Guest;
use super::watchdog::Phase;
use super::{Upstream, headers};
use crate::agent::Answer;
use crate::body::Body;
use crate::body::request::bounded;
use crate::interim::Patience;
use crate::logging::access::{Record, Recorded};
use crate::metrics::Refusal;
use crate::reply;

/// Bytes of path and query. haproxy's buffer of 16 KiB holds no longer head.
const LONGEST_TARGET: usize = 8 * 1024;

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the guest is not known, and asked over IPv6")]
pub(super) struct Unanswered;

/// Held until an answer's last byte is handed over.
pub(super) struct InFlight {
    guest: Arc<Guest>,
    started: std::time::Instant,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.guest.watchdog.enter(Phase::Idle);
        let metrics = &self.guest.proxy.metrics;
        metrics.duration.observe(self.started.elapsed());
    }
}

pub(super) async fn answer(
    guest: Arc<Guest>,
    request: Request<Incoming>,
) -> Result<Response<Recorded<Body, InFlight>>, Unanswered> {
    guest.watchdog.enter(Phase::Exchange);
    guest.first_request.came();
    let mut record = Record::start(Some(Arc::clone(&guest.client)), &request);
    let in_flight = InFlight {
        started: record.started(),
        guest,
    };
    let guest = &in_flight.guest;
    let has_body = !request.body().is_end_stream();
    let answer = match refusal(guest, &request) {
        Some(response) => response.into(),
        None => {
            let patience = Patience::of(&request);
            let asking = pin!(ask_upstream(guest, request, patience));
            guest.interim.until(patience, asking).await
        }
    };
    if has_body {
        guest.answered_with_body();
    }
    if answer.is_for_nobody && guest.requester().address.is_ipv6() {
        leave_to_ipv4(guest);
        return Err(Unanswered);
    }
    let Answer {
        response, instance, ..
    } = answer;
    guest.proxy.metrics.requests.count(response.status());
    record.answered(response.status(), instance);
    Ok(response.map(|body| Recorded::new(body, record, in_flight)))
}

/// cloud-init asks over both families at once and believes the first answer,
/// whatever it is (`wait_for_url` in cloudinit/url_helper.py): a 404 over IPv6 would
/// cost the guest the answer that it gets over IPv4. From silence it goes on.
fn leave_to_ipv4(guest: &Guest) {
    guest.proxy.metrics.refused.count(Refusal::Unanswered);
    if let Some(suppressed) = guest.proxy.unanswered_log.now() {
        tracing::warn!(
            namespace = guest.namespace(),
            client = %guest.requester().address,
            mac = guest.requester().mac.map(tracing::field::display),
            suppressed,
            "no instance is known for an IPv6 guest: its connection is closed without an answer, \
             so that it goes on over IPv4"
        );
    }
}

/// What the proxy answers by itself.
fn refusal(guest: &Guest, request: &Request<Incoming>) -> Option<Response<Body>> {
    if let Some(response) = guest.too_often() {
        return Some(response);
    }
    if let Some(response) = reply::refuse(request) {
        return Some(response);
    }
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        let text = format!("The path is longer than {LONGEST_TARGET} bytes.");
        return Some(reply::text(StatusCode::URI_TOO_LONG, text));
    }
    let limit = guest.proxy.body_limits.size;
    if request.body().size_hint().lower() > limit {
        let text = format!("The request's body is longer than {limit} bytes.");
        return Some(reply::text(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    None
}

async fn ask_upstream(guest: &Guest, request: Request<Incoming>, patience: Patience) -> Answer {
    let limits = guest.proxy.body_limits;
    let mut request = request.map(|body| bounded(body, limits));
    match &guest.proxy.upstream {
        Upstream::Agent(agent) => {
            // Our agent needs none of them, so none can mislead it.
            request.headers_mut().clear();
            let (requester, queue) = (guest.requester(), &guest.queue);
            agent.answer(requester, request, queue, patience).await
        }
        Upstream::Unix(agent) => {
            headers::replace_identity(request.headers_mut(), guest.requester());
            let limit = guest.proxy.timeouts.server;
            let Ok(_turn) = timeout(limit, guest.queue.turn()).await else {
                let text = "Earlier requests of this guest are still not answered.";
                return reply::unavailable(text).into();
            };
            agent.ask(request, limit).await.into()
        }
    }
}

/// hyper has answered a head that it could not take; only the records are left
/// to be kept.
pub(super) fn record_refused_head(guest: &Guest, error: &hyper::Error) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else if error.is_parse() {
        StatusCode::BAD_REQUEST
    } else {
        tracing::debug!(client = %guest.requester().address, %error, "a guest's connection broke off");
        return;
    };
    guest.proxy.metrics.requests.count(status);
    Record::of_refused_head(Arc::clone(&guest.client), status);
}
