//! Asking the supervisor how the host is doing, on behalf of an operator.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::status::HostState;

/// A supervisor that does not answer within this is taken for hanging or gone. It may wait
/// some seconds for the kernel's lock of network configuration, which whoever deletes many
/// interfaces holds; Prometheus waits 10 s by default.
const PATIENCE: Duration = Duration::from_secs(8);

/// The supervisor did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor did not say within {} s how the host is doing", PATIENCE.as_secs())]
pub struct NoAnswer;

/// Questions that wait for one answer: however many operators ask at a time,
/// the supervisor is asked once.
#[derive(Clone, Default)]
pub struct HostStateDesk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<oneshot::Sender<HostState>>>,
    asked: Notify,
}

impl HostStateDesk {
    /// The state as the supervisor sees it now.
    pub async fn ask(&self) -> Result<HostState, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|waiting| !waiting.is_closed());
            waiting.push(answer);
            waiting.len() == 1
        };
        if first {
            self.0.asked.notify_one();
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(state)) => Ok(state),
            _ => Err(NoAnswer),
        }
    }

    /// Returns when the supervisor is to be asked.
    pub async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Hands the answer to everyone who waits.
    pub fn answer(&self, state: &HostState) {
        let waiting = std::mem::take(
            &mut *self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for waiting in waiting {
            // Whoever stopped waiting does not want it.
            let _ = waiting.send(state.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_question_answers_all_who_wait() {
        let desk = HostStateDesk::default();
        let state = HostState {
            version: "1".into(),
            ..HostState::default()
        };
        let supervisor = async {
            desk.asked().await;
            desk.answer(&state);
        };
        let (first, second, ()) = tokio::join!(desk.ask(), desk.ask(), supervisor);
        assert_eq!(first.unwrap(), state);
        assert_eq!(second.unwrap(), state);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_supervisor_is_reported() {
        assert_eq!(HostStateDesk::default().ask().await, Err(NoAnswer));
    }
}
