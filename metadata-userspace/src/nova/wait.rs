//! How long a request waits.

use std::time::Duration;

use tokio::time::Instant;

use crate::interim::Patience;

/// For its turn, while Nova answers others and the guest hears that somebody is there.
const LONGEST: Duration = Duration::from_secs(300);

/// A request that waits.
#[derive(Debug)]
pub(super) struct Wait {
    since: Instant,
    /// For whoever hears nothing meanwhile; and for Nova itself.
    deadline: Duration,
    patience: Patience,
}

impl Wait {
    pub(super) fn new(deadline: Duration, patience: Patience) -> Self {
        Self {
            since: Instant::now(),
            deadline,
            patience,
        }
    }

    /// At most, for whoever else must come first.
    pub(super) fn limit(&self) -> Duration {
        match self.patience {
            Patience::Ordinary => self.deadline,
            Patience::Told => self.deadline.max(LONGEST),
        }
    }

    /// What is left of it.
    pub(super) fn for_its_turn(&self) -> Duration {
        self.limit().saturating_sub(self.since.elapsed())
    }

    /// For what Nova is asked now.
    pub(super) fn for_nova(&self) -> Duration {
        match self.patience {
            Patience::Ordinary => self.for_its_turn(),
            Patience::Told => self.deadline,
        }
    }

    /// In whole seconds.
    pub(super) fn so_far(&self) -> Duration {
        Duration::from_secs(self.since.elapsed().as_secs())
    }
}
