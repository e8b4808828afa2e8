//! An upstream's answer on its way to the guest.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Response, StatusCode};
use tokio::time::Sleep;

use super::{Link, Pool};
use crate::body::{self, Body, BodyError};
use crate::hop_by_hop;

/// Status, headers and body as they came; only framing and hop-by-hop headers
/// are made anew. The connection goes to `pool`, if there is one, when the body
/// was read to its end. `silence` is the longest wait for a part of the body.
pub fn for_guest(
    method: &Method,
    answer: Response<Incoming>,
    link: Link,
    pool: Option<Arc<Pool>>,
    silence: Duration,
) -> Response<Body> {
    let (mut head, incoming) = answer.into_parts();
    hop_by_hop::strip(&mut head.headers);
    head.extensions.clear();
    // Of a HEAD the length is an answer; otherwise the server writes what it sends.
    if *method != Method::HEAD && head.status != StatusCode::NOT_MODIFIED {
        head.headers.remove(CONTENT_LENGTH);
    }
    let mut streamed = Streamed {
        incoming,
        link: Some(link),
        pool,
        limit: silence,
        silence: None,
    };
    let body = if streamed.incoming.is_end_stream() {
        streamed.finish();
        body::empty()
    } else {
        streamed.boxed_unsync()
    };
    Response::from_parts(head, body)
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the upstream's answer stopped for {0:?}")]
    Silent(Duration),
    #[error("the upstream's answer broke off")]
    Lost(#[from] hyper::Error),
}

struct Streamed {
    incoming: Incoming,
    /// `None` once the answer is complete.
    link: Option<Link>,
    pool: Option<Arc<Pool>>,
    limit: Duration,
    /// Runs only while the body is waited for.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    fn finish(&mut self) {
        if let (Some(link), Some(pool)) = (self.link.take(), self.pool.take()) {
            pool.put(link);
        }
    }

    /// Moves the connection when nothing is there yet.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        match (&frame, &mut self.link) {
            (Poll::Pending, Some(link)) => {
                link.drive(cx);
                Pin::new(&mut self.incoming).poll_frame(cx)
            }
            _ => frame,
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        let limit = self.limit;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        silence.as_mut().poll(cx).map(|()| Broken::Silent(limit))
    }
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = this.poll_incoming(cx) else {
            let broken = ready!(this.poll_silence(cx));
            return Poll::Ready(Some(Err(broken.into())));
        };
        this.silence = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(Broken::Lost(error).into())),
            // The end, or trailers, which announce it and go no further.
            Some(Ok(_)) | None => {
                this.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        // Of a body with a known length nobody reads the end after the last byte.
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }
}
