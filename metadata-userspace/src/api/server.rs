//! The API on a TCP listener.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Api;
use super::password::{MAX_PASSWORD_SIZE, Stored};
use super::reply::{Refusal, Reply};
use super::respond::{Answer, form_of_errors, respond};
use crate::accept::AcceptFaults;
use crate::body::{Body, BodyError, full};
use crate::first_request::FirstRequest;

/// Also how long an agent's pooled connection may rest.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer bodies than a password are read, so that their senders get to see the
/// answer, but not without end.
const MAX_BODY_SIZE: usize = 64 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

const CONFLICT: Refusal = Refusal {
    status: StatusCode::CONFLICT,
    message: "The password is set already.",
};
/// The disk is full, perhaps: guests try again on 503 only.
const NOT_NOW: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    message: "Passwords cannot be kept at the moment. Please try again.",
};
const TOO_LARGE: Refusal = Refusal::bad_request("Request is too large.");
const BROKEN_BODY: Refusal = Refusal::bad_request("The request's body broke off.");
const GET_OR_POST: Refusal = Refusal::bad_request("GET and POST only are supported.");

/// Answers on `listener` until `stop`, then finishes the requests under way.
pub async fn serve(listener: TcpListener, api: Arc<Api>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let faults = AcceptFaults::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, Arc::clone(&api), stop.clone()));
            }
            Err(error) => faults.survive("metadata API", &error).await,
        }
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN_TIMEOUT, connections.wait()).await.is_err() {
        tracing::warn!("requests to the metadata API were cut off at the end");
    }
}

async fn serve_connection(stream: TcpStream, api: Arc<Api>, stop: CancellationToken) {
    // A delayed last segment would hold up a pooled connection's next request.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let first_request = FirstRequest::default();
    let service = service_fn(|request: Request<Incoming>| {
        first_request.came();
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = first_request.may_end(&stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the metadata API broke");
    }
}

impl Api {
    /// The answer to one request; what goes wrong is a status.
    pub async fn answer<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let (head, body) = request.into_parts();
        let answer = respond(&self.inventory.load(), &self.settings, &head);
        let reply = match answer {
            Answer::Ready(reply) => reply,
            Answer::Password(instance) => {
                let answered = match head.method {
                    Method::GET => self.password(instance).await,
                    Method::POST => self.set_password(instance, body).await,
                    _ => Err(GET_OR_POST),
                };
                answered.unwrap_or_else(|refusal| refusal.reply(form_of_errors(&head.headers)))
            }
        };
        tracing::debug!(
            method = %head.method,
            path = head.uri.path(),
            status = reply.status.as_u16(),
            bytes = reply.body.len(),
            "metadata API"
        );
        response(reply)
    }

    async fn password(self: &Arc<Self>, instance: Uuid) -> Result<Reply, Refusal> {
        let api = Arc::clone(self);
        let password = off_the_loop(move || api.passwords.read(instance)).await?;
        Ok(Reply::html(password.unwrap_or_default()))
    }

    async fn set_password<B>(self: &Arc<Self>, instance: Uuid, body: B) -> Result<Reply, Refusal>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let password = whole(body).await?;
        let api = Arc::clone(self);
        let stored = off_the_loop(move || {
            if password.len() <= MAX_PASSWORD_SIZE {
                return api.passwords.set(instance, &password).map(Some);
            }
            let is_set = api.passwords.read(instance)?.is_some();
            Ok(is_set.then_some(Stored::AlreadySet))
        });
        match stored.await? {
            Some(Stored::Now) => Ok(Reply::html(Bytes::new())),
            Some(Stored::AlreadySet) => Err(CONFLICT),
            None => Err(TOO_LARGE),
        }
    }
}

async fn whole<B>(body: B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let read = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_SIZE).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) | Err(_) => Err(BROKEN_BODY),
    }
}

/// Disks block.
async fn off_the_loop<T: Send + 'static>(
    task: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(task).await;
    let result = done.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    result.map_err(|error| {
        tracing::error!(%error, "the password directory fails: is it there and writable?");
        NOT_NOW
    })
}

fn response(reply: Reply) -> Response<Body> {
    let length = reply.body.len();
    let mut response = Response::new(full(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(CONTENT_LENGTH, length.into());
    if reply.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
