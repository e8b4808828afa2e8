//! The hop to nova-api-metadata: signed requests over pooled connections.

mod connect;
mod length;
mod path;
mod request;
mod signatures;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::body::{Body as _, Incoming};
use hyper::header::{InvalidHeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};

use crate::body::request::RequestFault;
use crate::body::{self, Body};
use crate::config::NovaConfig;
use crate::identity::{Instance, Requester};
use crate::metrics::NovaMetrics;
use crate::upstream::{ConnectError, Connector, Link, Pool, TlsError, TlsFiles, answer};

pub use connect::read_tls;

use request::RequestMaker;

/// Why Nova gave no answer that a guest may see.
#[derive(Debug, thiserror::Error)]
pub enum NovaError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    #[error("the connection ended before the answer")]
    Lost(#[source] hyper::Error),
    #[error("the answer is not HTTP")]
    Malformed(#[source] hyper::Error),
    #[error(
        "it answered {status}, a redirection{}; check nova_metadata_protocol, nova_metadata_host and nova_metadata_port",
        .location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default()
    )]
    Redirect {
        status: StatusCode,
        location: Option<String>,
    },
    #[error("the request's body failed: {0}")]
    RequestBody(RequestFault),
    #[error("the instance's id or project cannot be sent in a header")]
    Identity(#[from] InvalidHeaderValue),
    #[error("the request's path cannot be sent")]
    Path(#[from] hyper::http::Error),
}

/// A client of one nova-api-metadata. Clones share connections.
#[derive(Clone)]
pub struct Nova {
    shared: Arc<Shared>,
}

struct Shared {
    requests: RequestMaker,
    connector: Connector,
    pool: Arc<Pool>,
    deadline: Duration,
    metrics: NovaMetrics,
}

impl Nova {
    /// `tls` holds the files that the configuration names: the process that
    /// forwards requests may not be able to read them.
    pub fn new(
        config: &NovaConfig,
        tls: &TlsFiles,
        metrics: NovaMetrics,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            shared: Arc::new(Shared {
                requests: RequestMaker::new(config),
                connector: connect::connector(config, tls)?,
                pool: Arc::new(Pool::default()),
                deadline: config.deadline,
                metrics,
            }),
        })
    }

    /// Asks Nova on behalf of `instance`. Of `request` only the method, the
    /// target and the body count: none of its headers reaches Nova.
    ///
    /// The answer may have any status; it comes within the deadline, its body
    /// while it is read.
    pub async fn forward(
        &self,
        instance: &Instance,
        requester: &Requester,
        request: Request<Body>,
    ) -> Result<Response<Body>, NovaError> {
        let started = Instant::now();
        let deadline = self.shared.deadline;
        // Pinned here, because `tokio::time::timeout` moves what it is given.
        let mut answer = pin!(self.ask(instance, requester, request));
        let mut late = pin!(tokio::time::sleep(deadline));
        let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => late
                .as_mut()
                .poll(cx)
                .map(|()| Err(NovaError::Deadline(deadline))),
        })
        .await?;
        let metrics = &self.shared.metrics;
        metrics.requests.count(answer.status());
        metrics.latency.observe(started.elapsed().as_secs_f64());
        if answer.status() == StatusCode::FORBIDDEN {
            tracing::warn!(
                instance = %instance.id,
                "nova-api-metadata refused the signature: the shared secrets do not match; compare metadata_proxy_shared_secret here and in [neutron] of nova.conf"
            );
        }
        Ok(answer)
    }

    async fn ask(
        &self,
        instance: &Instance,
        requester: &Requester,
        request: Request<Body>,
    ) -> Result<Response<Body>, NovaError> {
        let (guest, body) = request.into_parts();
        let signed = |body| {
            self.shared
                .requests
                .signed(instance, requester, &guest, body)
        };
        // Only what may be sent twice goes over a connection that may be dead.
        let repeatable = matches!(guest.method, Method::GET | Method::HEAD) && body.is_end_stream();
        if repeatable && let Some(mut link) = self.shared.pool.take().await {
            match link.exchange(signed(body::empty())?).await {
                Ok(answer) => return self.deliver(&guest.method, answer, link, true),
                Err(error) if is_connection_dead(&error) => {
                    self.shared.metrics.retries.inc();
                }
                Err(error) => return Err(self.fault(error)),
            }
        }
        let body = if repeatable {
            body
        } else {
            length::measured(body)
                .await
                .map_err(NovaError::RequestBody)?
        };
        let request = signed(body)?;
        let mut link = self.connect().await?;
        let answer = link.exchange(request).await;
        let answer = answer.map_err(|error| self.fault(error))?;
        self.deliver(&guest.method, answer, link, repeatable)
    }

    async fn connect(&self) -> Result<Link, NovaError> {
        let connected = self.shared.connector.link().await;
        if connected.is_err() {
            self.shared.metrics.connect_errors.inc();
        }
        Ok(connected?)
    }

    fn fault(&self, error: hyper::Error) -> NovaError {
        if let Some(fault) = RequestFault::behind(&error) {
            return NovaError::RequestBody(fault);
        }
        if let Some(fault) = self.shared.connector.tls_fault(&error) {
            return NovaError::Connect(fault);
        }
        if error.is_parse() {
            NovaError::Malformed(error)
        } else {
            NovaError::Lost(error)
        }
    }

    /// Passes on every status: upstream's agent drops the connection at 201, 204,
    /// 304, 401, 405, 413, 429 and 501, so that its guests see 502, and it unpacks
    /// gzip; both are faults.
    fn deliver(
        &self,
        method: &Method,
        answer: Response<Incoming>,
        link: Link,
        reusable: bool,
    ) -> Result<Response<Body>, NovaError> {
        refuse_redirection(&answer)?;
        let pool = reusable.then(|| Arc::clone(&self.shared.pool));
        let silence = self.shared.deadline;
        Ok(answer::for_guest(method, answer, link, pool, silence))
    }
}

/// Nova's metadata API has no redirections; one comes from something else at
/// its address, such as a port that wants HTTPS. Following it could lead the
/// signed request anywhere, and the guest cannot reach such a place.
fn refuse_redirection(answer: &Response<Incoming>) -> Result<(), NovaError> {
    let status = answer.status();
    if !matches!(status.as_u16(), 300..=303 | 305..=308) {
        return Ok(());
    }
    let location = answer.headers().get(LOCATION);
    Err(NovaError::Redirect {
        status,
        location: location.map(|to| to.as_bytes().escape_ascii().to_string()),
    })
}

/// Closed while it was idle, most likely: nothing of an answer was understood.
fn is_connection_dead(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
