//! When a connection may be told to end while its first request is on its way.
//!
//! hyper closes a connection at once when it is told to shut down before it has read
//! anything (`Dispatcher::disable_keep_alive`): a client that has just connected would
//! lose its request.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Clients send their request as soon as they are connected.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a connection's first request has come.
#[derive(Debug, Default)]
pub struct FirstRequest {
    has_come: AtomicBool,
    comes: Notify,
}

impl FirstRequest {
    /// A request has come, the first or another.
    pub fn came(&self) {
        if !self.has_come.swap(true, Relaxed) {
            self.comes.notify_one();
        }
    }

    /// Returns when `drain` is asked for and the first request has come, or nobody
    /// seems to send one.
    pub async fn may_end(&self, drain: &CancellationToken) {
        drain.cancelled().await;
        if !self.has_come.load(Relaxed) {
            // Whoever says nothing for so long loses nothing.
            let _ = timeout(PATIENCE, self.comes.notified()).await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_first_request_is_waited_for() {
        let (first, drain) = (FirstRequest::default(), CancellationToken::new());
        drain.cancel();
        let start = Instant::now();
        let client = async {
            tokio::time::sleep(PATIENCE / 4).await;
            first.came();
        };
        tokio::join!(first.may_end(&drain), client);
        assert_eq!(start.elapsed(), PATIENCE / 4);
        first.may_end(&drain).await;
        assert_eq!(start.elapsed(), PATIENCE / 4);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not() {
        let (first, drain) = (FirstRequest::default(), CancellationToken::new());
        drain.cancel();
        let start = Instant::now();
        first.may_end(&drain).await;
        assert_eq!(start.elapsed(), PATIENCE);
    }
}
