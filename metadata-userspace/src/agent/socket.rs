//! The agent's unix socket, for proxies of other kinds: Neutron's haproxies
//! reach us here as they reach neutron-metadata-agent.
//!
//! Whoever may connect can speak for every guest: the socket's mode is the
//! boundary, not what is checked here.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::door::{self, Proxies, Unidentified};
use super::{Agent, Answer};
use crate::accept::{self, AcceptFaults};
use crate::body::Body;
use crate::body::request::{BodyLimits, bounded};
use crate::first_request::FirstRequest;
use crate::interim::{Interim, InterimIo, Patience};
use crate::logging::access::{Client, Record, Recorded};
use crate::reply;

/// haproxy's own `timeout server`: it has given up after that.
const PATIENCE: Duration = Duration::from_secs(32);

/// The proxy in front sets the limit; the body is passed on as it comes.
const LIMITS: BodyLimits = BodyLimits {
    size: u64::MAX,
    silence: PATIENCE,
};

/// Bytes of a connection that are read ahead. haproxy's own buffer, and so the longest head
/// that comes from one, is half of it.
const BUFFER: usize = 32 * 1024;

/// Serves until `drain`; then lets requests in flight end. Drop the future to
/// end at once: no task outlives it.
pub async fn serve(
    listener: UnixListener,
    agent: Arc<Agent>,
    proxies: Proxies,
    drain: CancellationToken,
) {
    let faults = AcceptFaults::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&agent), proxies, drain.clone()));
                }
                Err(error) => faults.survive("metadata_proxy_socket", &error).await,
            },
            Some(_) = connections.join_next() => {}
            () = drain.cancelled() => break,
        }
    }
    while let Some((stream, _)) = accept::queued(|cx| listener.poll_accept(cx)).await {
        connections.spawn(connection(
            stream,
            Arc::clone(&agent),
            proxies,
            drain.clone(),
        ));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: UnixStream,
    agent: Arc<Agent>,
    proxies: Proxies,
    drain: CancellationToken,
) {
    let first_request = FirstRequest::default();
    let interim = Interim::counted_by(&agent.metrics.socket_interim);
    let io = InterimIo::new(TokioIo::new(stream), Arc::clone(&interim));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .half_close(true)
        .max_buf_size(BUFFER)
        .serve_connection(
            io,
            service_fn(|request| {
                first_request.came();
                exchange(&agent, proxies, request, &interim)
            }),
        );
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = first_request.may_end(&drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to metadata_proxy_socket broke off");
    }
}

async fn exchange(
    agent: &Agent,
    proxies: Proxies,
    request: Request<Incoming>,
    interim: &Interim,
) -> Result<Response<Recorded<Body, ()>>, Infallible> {
    let client = match door::requester(request.headers(), proxies) {
        Ok(requester) => Client::new(None, requester),
        Err(error) => return Ok(refuse(agent, &request, &error)),
    };
    let mut record = Record::start(Some(Arc::clone(&client)), &request);
    let patience = Patience::of(&request);
    let request = request.map(|body| bounded(body, LIMITS));
    let answer = pin!(agent.answer(&client.requester, request, &agent.others, patience));
    let Answer {
        response, instance, ..
    } = interim.until(patience, answer).await;
    agent.metrics.socket_requests.count(response.status());
    record.answered(response.status(), instance);
    Ok(response.map(|body| Recorded::new(body, record, ())))
}

fn refuse(
    agent: &Agent,
    request: &Request<Incoming>,
    error: &Unidentified,
) -> Response<Recorded<Body, ()>> {
    if let Some(suppressed) = agent.log.now() {
        tracing::warn!(%error, suppressed, "a request on metadata_proxy_socket does not say whose it is");
    }
    let mut record = Record::start(None, request);
    let response = reply::text(StatusCode::BAD_REQUEST, error.to_string());
    agent.metrics.socket_requests.count(response.status());
    record.answered(response.status(), None);
    response.map(|body| Recorded::new(body, record, ()))
}
