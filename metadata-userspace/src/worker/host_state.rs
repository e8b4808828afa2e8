//! Asking the supervisor how the host is doing, on behalf of an operator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::status::HostState;

/// After this, operators hear what was last known. A supervisor may wait some seconds for the
/// kernel's lock of network configuration, which whoever deletes many interfaces holds;
/// Prometheus waits 10 s by default.
const PATIENCE: Duration = Duration::from_secs(5);

/// The supervisor did not answer, and never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the supervisor did not say within {} s how the host is doing, and had not said it before",
    PATIENCE.as_secs()
)]
pub struct NoAnswer;

/// How the host was doing, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub host: Arc<HostState>,
    /// When the supervisor said so.
    pub at: Instant,
}

/// Questions that wait for one answer: however many operators ask at a time,
/// the supervisor is asked once.
#[derive(Clone, Debug, Default)]
pub struct HostStateDesk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<oneshot::Sender<Seen>>>,
    asked: Notify,
    last: Mutex<Option<Seen>>,
}

impl HostStateDesk {
    /// The state as the supervisor sees it now, or as it last did if it does not answer.
    pub async fn ask(&self) -> Result<Seen, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = lock(&self.0.waiting);
            waiting.retain(|waiting| !waiting.is_closed());
            waiting.push(answer);
            waiting.len() == 1
        };
        if first {
            self.0.asked.notify_one();
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(seen)) => Ok(seen),
            _ => self.last().ok_or(NoAnswer),
        }
    }

    /// What the supervisor said last.
    pub fn last(&self) -> Option<Seen> {
        lock(&self.0.last).clone()
    }

    /// Returns when the supervisor is to be asked.
    pub async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Hands the answer to everyone who waits.
    pub fn answer(&self, host: HostState) {
        let seen = Seen {
            host: Arc::new(host),
            at: Instant::now(),
        };
        *lock(&self.0.last) = Some(seen.clone());
        for waiting in std::mem::take(&mut *lock(&self.0.waiting)) {
            // Whoever stopped waiting does not want it.
            let _ = waiting.send(seen.clone());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn version(version: &str) -> HostState {
        HostState {
            version: version.into(),
            ..HostState::default()
        }
    }

    #[tokio::test]
    async fn one_question_answers_all_who_wait() {
        let desk = HostStateDesk::default();
        let supervisor = async {
            desk.asked().await;
            desk.answer(version("1"));
        };
        let (first, second, ()) = tokio::join!(desk.ask(), desk.ask(), supervisor);
        assert_eq!(*first.unwrap().host, version("1"));
        assert_eq!(*second.unwrap().host, version("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_that_was_never_heard_is_reported() {
        assert_eq!(HostStateDesk::default().ask().await, Err(NoAnswer));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_silent_supervisor_the_last_word_stands_with_its_age() {
        let desk = HostStateDesk::default();
        desk.answer(version("1"));
        let seen = desk.ask().await.unwrap();
        assert_eq!(*seen.host, version("1"));
        assert_eq!(seen.at.elapsed(), PATIENCE);
    }
}
