//! The body of a request whose sender is not trusted: bounded in size and in
//! silence, its trailers dropped.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::body::{self, Body, BodyError};

/// How the sender of a request failed to send its body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestFault {
    #[error("the request's body is longer than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the request's body did not arrive for {0:?}")]
    Silent(Duration),
    #[error("the request's body did not arrive within {0:?}")]
    Slow(Duration),
    #[error("the request's body broke off: {reason}")]
    Broken { reason: String },
}

impl RequestFault {
    /// The fault that made a hop fail, if it was one of these. A hop reports
    /// what its request body told it, wrapped in its own errors.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(fault.clone());
            }
            next = error.source();
        }
        None
    }

    /// What a body that is being read reports.
    pub fn of_body(error: &BodyError) -> Self {
        Self::behind(error.as_ref()).unwrap_or_else(|| Self::Broken {
            reason: error.to_string(),
        })
    }
}

/// What a sender may do.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes.
    pub size: u64,
    /// Longest time without a byte.
    pub silence: Duration,
}

/// Wraps what a server read; an absent body stays one that is known to be empty.
pub fn bounded(incoming: Incoming, limits: BodyLimits) -> Body {
    if incoming.is_end_stream() {
        return body::empty();
    }
    Bounded {
        incoming,
        limits,
        left: limits.size,
        silence: None,
    }
    .map_err(BodyError::from)
    .boxed_unsync()
}

struct Bounded {
    incoming: Incoming,
    limits: BodyLimits,
    left: u64,
    /// Runs only while the body is waited for.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    fn admit(&mut self, data: Bytes) -> Result<Frame<Bytes>, RequestFault> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let limit = self.limits.size;
        self.left = self
            .left
            .checked_sub(length)
            .ok_or(RequestFault::TooLarge { limit })?;
        Ok(Frame::data(data))
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<RequestFault> {
        let limit = self.limits.silence;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        silence
            .as_mut()
            .poll(cx)
            .map(|()| RequestFault::Silent(limit))
    }
}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = RequestFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestFault>>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.silence = None;
                    // Trailers are headers that no policy has seen: they end here.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(self.admit(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let reason = error.to_string();
                    return Poll::Ready(Some(Err(RequestFault::Broken { reason })));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return self.poll_silence(cx).map(|fault| Some(Err(fault))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
