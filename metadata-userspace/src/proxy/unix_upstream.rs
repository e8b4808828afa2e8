//! Another agent behind a unix socket: neutron-metadata-agent, as haproxy
//! speaks with it.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri};
use tokio::net::UnixStream;

use crate::body::request::RequestFault;
use crate::body::{self, Body};
use crate::logging::{chain, occasionally::Occasionally};
use crate::origin_form::origin_form;
use crate::reply;
use crate::upstream::{Link, Stream, answer};
use crate::within::within;

/// Waits before another try to connect. Neutron's agent has a backlog of 5
/// whatever metadata_backlog says (measured, 2026.2), so EAGAIN is common in a
/// boot storm, and short; haproxy answers 503 at once.
const WAITS: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// Neutron's agent reads the socket once, so much at most (neutron/common/metadata.py,
/// 2025.1 on): of a longer head it would take the beginning for the whole, and a guest
/// could choose where the header with its address is cut.
const LONGEST_HEAD: usize = 4096;

/// Another agent.
#[derive(Debug)]
pub struct UnixUpstream {
    path: PathBuf,
    log: Occasionally,
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    #[error("the connection ended before the answer")]
    Lost(#[source] hyper::Error),
    #[error("the answer is not HTTP")]
    Malformed(#[source] hyper::Error),
}

impl UnixUpstream {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            log: Occasionally::default(),
        }
    }

    /// The other agent's answer, whatever its status; 503 when it gives none,
    /// 502 when it gives something else. `timeout` holds for the guest's body,
    /// then for the answer's head and for each part of its body.
    pub(super) async fn ask(&self, request: Request<Body>, timeout: Duration) -> Response<Body> {
        if longest_head(&request) > LONGEST_HEAD {
            return reply::text(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The metadata agent takes no request with so long a path and headers.",
            );
        }
        let request = match within(timeout, pin!(self_contained(request))).await {
            Some(Ok(request)) => request,
            Some(Err(fault)) => return reply::refuse_body(&fault),
            None => return reply::refuse_body(&RequestFault::Slow(timeout)),
        };
        let method = request.method().clone();
        let asked = tokio::time::timeout(timeout, self.exchange(request)).await;
        let error = match asked.unwrap_or(Err(AskError::Deadline(timeout))) {
            Ok((response, link)) => {
                return answer::for_guest(&method, response, link, None, timeout);
            }
            Err(error) => error,
        };
        if let Some(suppressed) = self.log.now() {
            tracing::warn!(
                socket = %self.path.display(),
                error = chain(&error),
                suppressed,
                "the agent behind proxy_upstream gave no answer"
            );
        }
        match error {
            AskError::Malformed(_) => reply::text(
                StatusCode::BAD_GATEWAY,
                "The metadata agent gave an answer that cannot be passed on.",
            ),
            AskError::Connect(_) | AskError::Deadline(_) | AskError::Lost(_) => {
                reply::unavailable("The metadata agent is temporarily unavailable.")
            }
        }
    }

    async fn exchange(
        &self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Link), AskError> {
        let stream = self.connect().await?;
        let failed = |error: hyper::Error| {
            if error.is_parse() {
                AskError::Malformed(error)
            } else {
                AskError::Lost(error)
            }
        };
        // One connection a request: Neutron's agent answers no second one.
        let mut link = Link::handshake(Stream::Unix(stream))
            .await
            .map_err(failed)?;
        let response = link.exchange(request).await.map_err(failed)?;
        Ok((response, link))
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        for wait in WAITS {
            match UnixStream::connect(&self.path).await {
                Err(error) if may_pass(&error) => tokio::time::sleep(wait).await,
                result => return result,
            }
        }
        UnixStream::connect(&self.path).await
    }
}

/// Bytes of a request's head as it is written to the agent, or some more.
fn longest_head(request: &Request<Body>) -> usize {
    let fixed = " / HTTP/1.1\r\ncontent-length: 18446744073709551615\r\n\r\n".len();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    fixed + request.method().as_str().len() + target + headers.sum::<usize>()
}

/// The backlog is full, or the agent is being restarted.
fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
    )
}

/// The request as Neutron's agent can read it, in one read and without chunks: so the body
/// is collected first and goes out with the head, in one write, with its length.
async fn self_contained(request: Request<Body>) -> Result<Request<Body>, RequestFault> {
    let (mut head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| RequestFault::of_body(&error))?
        .to_bytes();
    let target = origin_form(&head.uri);
    // Parts of one target make another.
    head.uri = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
    let body = if body.is_empty() {
        body::empty()
    } else {
        body::full(body)
    };
    Ok(Request::from_parts(head, body))
}
