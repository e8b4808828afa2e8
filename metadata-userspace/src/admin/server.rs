//! Answering operators and their monitoring.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accept::AcceptFaults;
use crate::body::{Body, full};
use crate::metrics::Metrics;
use crate::status::{HostState, SandboxState, Status};
use crate::worker::host_state::{HostStateDesk, NoAnswer};

/// How long an operator's tool may take to send its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers `/status`, `/metrics` and `/ready`.
pub struct Admin {
    desk: HostStateDesk,
    metrics: Arc<Metrics>,
    sandbox: SandboxState,
}

impl Admin {
    pub fn new(desk: HostStateDesk, metrics: Arc<Metrics>, sandbox: SandboxState) -> Self {
        Self {
            desk,
            metrics,
            sandbox,
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET is answered here\n",
            );
        }
        match request.uri().path() {
            "/status" => self
                .status()
                .await
                .unwrap_or_else(|error| unavailable(&error)),
            "/metrics" => self.metrics().await,
            "/ready" => text(StatusCode::OK, "ready\n"),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /status, /metrics and /ready\n",
            ),
        }
    }

    async fn status(&self) -> Result<Response<Body>, NoAnswer> {
        let asked = Instant::now();
        let seen = self.desk.ask().await?;
        let status = Status {
            host: HostState::clone(&seen.host),
            supervisor_silent_for: (seen.at < asked).then(|| seen.at.elapsed().as_secs()),
            totals: self.metrics.totals(),
            sandbox: self.sandbox,
        };
        Ok(match serde_json::to_vec(&status) {
            Ok(json) => with_type("application/json", Response::new(full(json))),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the status cannot be written\n",
            ),
        })
    }

    async fn metrics(&self) -> Response<Body> {
        // What the worker counted does not wait for the supervisor, and of the host the age is
        // a metric too.
        let _ = self.desk.ask().await;
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        match self.metrics.encode() {
            Ok(text) => with_type(content_type, Response::new(full(text))),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n",
            ),
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    with_type("text/plain; charset=utf-8", response)
}

fn unavailable(error: &NoAnswer) -> Response<Body> {
    let mut response = Response::new(full(format!("{error}\n")));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    with_type("text/plain; charset=utf-8", response)
}

fn with_type(content_type: &'static str, mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Where operators come in.
pub enum Door {
    /// The admin socket.
    Unix(UnixListener),
    /// `metrics_listen`.
    Tcp(TcpListener),
}

impl Door {
    async fn admit(&self, admin: &Arc<Admin>, stop: &CancellationToken) -> io::Result<()> {
        let (admin, stop) = (admin.clone(), stop.clone());
        match self {
            Self::Unix(listener) => tokio::spawn(converse(listener.accept().await?.0, admin, stop)),
            Self::Tcp(listener) => tokio::spawn(converse(listener.accept().await?.0, admin, stop)),
        };
        Ok(())
    }
}

/// Serves until `stop`.
pub async fn serve(door: Door, admin: Arc<Admin>, stop: CancellationToken) {
    let faults = AcceptFaults::default();
    loop {
        tokio::select! {
            admitted = door.admit(&admin, &stop) => if let Err(error) = admitted {
                faults.survive("admin", &error).await;
            },
            () = stop.cancelled() => return,
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    admin: Arc<Admin>,
    stop: CancellationToken,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(admin.answer(&request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An operator's tool that breaks off is no event.
        _ = connection => {}
        () = stop.cancelled() => {}
    }
}
