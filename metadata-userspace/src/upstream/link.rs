//! One HTTP/1.1 connection, driven by whoever uses it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::Stream;
use crate::body::Body;

/// A connection without a task of its own: it moves while a request or an
/// answer's body is polled. That saves two task switches a request, and an idle
/// connection is nothing but memory.
pub struct Link {
    requests: SendRequest<Body>,
    /// `None` once it has ended. Boxed, because links move in and out of the
    /// pool and through answers with every request.
    connection: Option<Box<Connection<TokioIo<Stream>, Body>>>,
}

impl Link {
    pub async fn handshake(stream: Stream) -> Result<Self, hyper::Error> {
        let (requests, connection) = http1::Builder::new()
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self {
            requests,
            connection: Some(Box::new(connection)),
        })
    }

    /// Sends `request`; ends when the head of the answer is there.
    pub async fn exchange(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let mut answer = pin!(self.requests.send_request(request));
        std::future::poll_fn(|cx| {
            drive(&mut self.connection, cx);
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// Moves bytes, and notices when the connection ends.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }

    /// Whether another request can be sent. Looks at the socket: a connection
    /// that the server closed meanwhile, or wrote to, cannot be used.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.connection.is_some() && self.requests.is_ready()
    }
}

fn drive(connection: &mut Option<Box<Connection<TokioIo<Stream>, Body>>>, cx: &mut Context<'_>) {
    let ended = match connection {
        Some(connection) => Pin::new(connection).poll(cx),
        None => return,
    };
    // Its error, if any, reaches the request or the body that it was for.
    if let Poll::Ready(Ok(()) | Err(_)) = ended {
        *connection = None;
    }
}
