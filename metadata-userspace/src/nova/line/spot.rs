//! Waiting in the line, which may be left at any time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::{Line, Place, Rank};

/// A guest's spot. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) line: Arc<Line>,
    pub(super) rank: Rank,
    pub(super) place: oneshot::Receiver<Place>,
}

impl Future for Spot {
    /// `None` if nobody can grant it any more.
    type Output = Option<Place>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        Pin::new(&mut self.place).poll(cx).map(Result::ok)
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        self.line.leave(self.rank);
    }
}
