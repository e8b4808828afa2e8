//! How many requests of one guest are worked on at a time.
//!
//! Without it a guest with many connections has as many requests before Nova and in
//! the thread's queue, and a neighbour's single one is behind them all.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where the requests of one guest wait for their turn, in the order in which they
/// came.
#[derive(Debug)]
pub struct Queue(Arc<Semaphore>);

impl Queue {
    /// Lets so many be worked on at a time.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// In which nobody waits: for requests whose guests are not told apart here.
    pub fn unlimited() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }

    /// Waits for a turn.
    pub async fn turn(&self) -> Turn {
        Turn {
            permit: permit(&self.0).await,
            queue: Arc::clone(&self.0),
        }
    }
}

/// To be worked on. Dropped, it is the next one's.
#[derive(Debug)]
pub struct Turn {
    queue: Arc<Semaphore>,
    /// `None` while it is lent.
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Lets the next one in, because this request only waits for what another has
    /// asked for. Comes back without a turn: see [`Self::resume`].
    pub async fn lend<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.permit = None;
        wait.await
    }

    /// Waits for a turn again, if this one was lent.
    pub async fn resume(&mut self) {
        if self.permit.is_none() {
            self.permit = permit(&self.queue).await;
        }
    }
}

async fn permit(queue: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // It is never closed.
    Arc::clone(queue).acquire_owned().await.ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const WHILE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_lent_is_the_next_ones_until_that_has_ended() {
        let queue = Queue::new(1);
        let mut first = queue.turn().await;
        assert!(timeout(WHILE, queue.turn()).await.is_err());
        let second = first.lend(queue.turn()).await;
        assert!(timeout(WHILE, first.resume()).await.is_err());
        drop(second);
        timeout(WHILE, first.resume()).await.unwrap();
        assert!(timeout(WHILE, queue.turn()).await.is_err());
        drop(first);
        timeout(WHILE, queue.turn()).await.unwrap();
    }
}
