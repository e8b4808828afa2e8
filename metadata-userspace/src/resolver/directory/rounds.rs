//! One question at a time, whose answer all who wait for it share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::resolver::{Asking, ResolveError};

/// A round that takes longer is in trouble.
const LONG: Duration = Duration::from_secs(2);

/// What a round does.
pub(super) type Work = dyn Fn() -> Asking<'static, ()> + Send + Sync;

/// Runs the same work again and again, as long as somebody wants it.
pub(super) struct Rounds {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    work: Box<Work>,
    /// From the beginning of a round to that of the next.
    pace: Duration,
    state: Mutex<State>,
    finished: watch::Sender<Finished>,
}

#[derive(Default)]
struct State {
    begun: u64,
    begun_at: Option<Instant>,
    running: bool,
    wanted_again: bool,
}

/// The last round that ended, and how.
#[derive(Clone)]
struct Finished {
    round: u64,
    result: Result<(), ResolveError>,
}

impl Rounds {
    pub(super) fn new(work: Box<Work>, pace: Duration, runtime: Handle) -> Self {
        let finished = watch::Sender::new(Finished {
            round: 0,
            result: Ok(()),
        });
        Self {
            shared: Arc::new(Shared {
                work,
                pace,
                state: Mutex::default(),
                finished,
            }),
            runtime,
        }
    }

    /// The result of a round that begins after the call. It is begun at once or
    /// after the one that runs, and goes on when the caller does not wait.
    pub(super) async fn next(&self) -> Result<(), ResolveError> {
        let round = {
            let mut state = self.shared.state();
            state.wanted_again = true;
            state.begun + 1
        };
        self.run();
        self.shared.finished(round).await
    }

    /// The result of the round that runs, else of the next.
    pub(super) async fn this(&self) -> Result<(), ResolveError> {
        let (begun, ended) = {
            let state = self.shared.state();
            (state.begun, self.shared.finished.borrow().round)
        };
        match begun > ended {
            true => self.shared.finished(begun).await,
            false => self.next().await,
        }
    }

    /// Begins a round unless one runs.
    pub(super) fn begin(&self) {
        let idle = {
            let mut state = self.shared.state();
            let idle = !state.running;
            state.wanted_again |= idle;
            idle
        };
        if idle {
            self.run();
        }
    }

    /// Whether the last round failed or the present one takes long.
    pub(super) fn in_trouble(&self) -> bool {
        let (begun, since) = {
            let state = self.shared.state();
            (state.begun, state.begun_at)
        };
        let finished = self.shared.finished.borrow();
        let overdue = || since.is_some_and(|since| since.elapsed() > LONG);
        finished.result.is_err() || (begun > finished.round && overdue())
    }

    fn run(&self) {
        if !std::mem::replace(&mut self.shared.state().running, true) {
            self.runtime.spawn(run(self.shared.clone()));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn finished(&self, round: u64) -> Result<(), ResolveError> {
        let mut finished = self.finished.subscribe();
        let ended = finished.wait_for(|finished| finished.round >= round).await;
        // An error means that the sender is gone, which lives as long as `self`.
        ended.map_or(Ok(()), |finished| finished.result.clone())
    }

    /// The number of the round that begins now, if one is wanted.
    fn begin(&self) -> Option<u64> {
        let mut state = self.state();
        if !std::mem::take(&mut state.wanted_again) {
            state.running = false;
            return None;
        }
        state.begun += 1;
        state.begun_at = Some(Instant::now());
        Some(state.begun)
    }
}

async fn run(shared: Arc<Shared>) {
    while let Some(round) = shared.begin() {
        let next = Instant::now() + shared.pace;
        let result = (shared.work)().await;
        shared.finished.send_replace(Finished { round, result });
        sleep_until(next).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
