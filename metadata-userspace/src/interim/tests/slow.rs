//! A body that comes by and by.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Parts of so many bytes, each after so many milliseconds.
pub(super) struct Slow {
    parts: std::vec::IntoIter<(u64, usize)>,
    next: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Slow {
    pub(super) fn new(parts: Vec<(u64, usize)>) -> Self {
        Self {
            parts: parts.into_iter(),
            next: None,
        }
    }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next.is_none() {
            let next = self.parts.next();
            self.next = next.map(|(pause, length)| (Box::pin(sleep(millis(pause))), length));
        }
        let Some((pause, length)) = &mut self.next else {
            return Poll::Ready(None);
        };
        ready!(pause.as_mut().poll(cx));
        let part = Bytes::from(vec![b'x'; *length]);
        self.next = None;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }
}
