//! Asking a running daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::status::Status;

/// Longer than the worker waits for its supervisor.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "no daemon answers at {path}: {source}; is `metadatad run` running with this configuration?"
    )]
    NotRunning {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the daemon at {path} did not answer: {reason}")]
    NoAnswer { path: PathBuf, reason: String },
}

/// The state of the daemon behind an admin socket.
pub async fn status(socket: &Path) -> Result<Status, AskError> {
    let no_answer = |reason: String| AskError::NoAnswer {
        path: socket.to_owned(),
        reason,
    };
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| AskError::NotRunning {
            path: socket.to_owned(),
            source,
        })?;
    let answer = tokio::time::timeout(PATIENCE, get(stream, "/status"))
        .await
        .map_err(|_| no_answer(format!("silent for {} s", PATIENCE.as_secs())))?;
    let (status, body) = answer.map_err(|error| no_answer(error.to_string()))?;
    if status != StatusCode::OK {
        return Err(no_answer(format!(
            "{status}: {}",
            String::from_utf8_lossy(&body).trim()
        )));
    }
    serde_json::from_slice(&body)
        .map_err(|error| no_answer(format!("cannot read its answer: {error}")))
}

async fn get(stream: UnixStream, path: &str) -> Result<(StatusCode, Bytes), hyper::Error> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
        .headers_mut()
        .insert(header::HOST, header::HeaderValue::from_static("metadatad"));
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}
