//! How fast a guest sends a long body, while Nova waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::request::RequestFault;
use crate::body::{Body, BodyError};

/// For each of these pieces a guest has so long: less than the time after which Nova would
/// be given up, more than any that sends needs.
const PIECE: usize = 64 * 1024;
const LIMIT: Duration = Duration::from_secs(5);

/// Whether the guest is waited for now.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited(Arc<AtomicBool>);

impl Awaited {
    pub(super) fn is_guest(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends a body that comes too slowly. The time in which nobody reads it does not count.
pub(super) fn paced(body: Body, deadline: Duration) -> (Body, Awaited) {
    let (awaited, limit) = (Awaited::default(), LIMIT.min(deadline / 4));
    let paced = Paced {
        body,
        awaited: awaited.clone(),
        limit,
        left: limit,
        received: 0,
        alarm: None,
    };
    (paced.boxed_unsync(), awaited)
}

struct Paced {
    body: Body,
    awaited: Awaited,
    limit: Duration,
    /// Of it, for this piece.
    left: Duration,
    /// Of this piece.
    received: usize,
    /// Runs only while the guest is waited for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        self.awaited.0.store(true, Ordering::Relaxed);
        let left = self.left;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(left)));
        let limit = self.limit;
        let rings = alarm.as_mut().poll(cx);
        rings.map(|()| RequestFault::Slow(limit).into())
    }

    fn note(&mut self, length: usize) {
        self.awaited.0.store(false, Ordering::Relaxed);
        if let Some(alarm) = self.alarm.take() {
            self.left = alarm.deadline().saturating_duration_since(Instant::now());
        }
        self.received += length;
        if self.received >= PIECE {
            (self.received, self.left) = (0, self.limit);
        }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.note(frame.data_ref().map_or(0, Bytes::len));
            }
            Poll::Ready(_) => self.note(0),
            Poll::Pending => return self.poll_alarm(cx).map(|fault| Some(Err(fault))),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
