//! Where each instance stands in the line.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

/// An instance that was answered so lately is in the middle of its boot.
const BEGUN: Duration = Duration::from_secs(15);

/// A guest that asks again so soon keeps its place, whether its first request still waits
/// or not. cloud-init gives up after 10 s and comes again after one more.
const KEPT: Duration = Duration::from_secs(60);

/// What is known of those who waited lately.
#[derive(Debug, Default)]
pub(super) struct Standings {
    instances: HashMap<String, Standing>,
    /// At this size those that left are forgotten.
    sweep_at: usize,
}

#[derive(Debug)]
struct Standing {
    since: Instant,
    asked: Instant,
    answered: Option<Instant>,
}

impl Standings {
    /// Since when an instance that asks now has been waiting, and whether it has begun
    /// its boot.
    pub(super) fn waits(&mut self, instance: &str, now: Instant) -> (Instant, bool) {
        let standing = self.of(instance, now);
        if now.duration_since(standing.asked) > KEPT {
            standing.since = now;
        }
        standing.asked = now;
        (standing.since, standing.has_begun(now))
    }

    /// Nova answered it.
    pub(super) fn answered(&mut self, instance: &str, now: Instant) {
        *self.of(instance, now) = Standing {
            since: now,
            asked: now,
            answered: Some(now),
        };
    }

    fn of(&mut self, instance: &str, now: Instant) -> &mut Standing {
        if !self.instances.contains_key(instance) {
            self.sweep(now);
        }
        let new = Standing {
            since: now,
            asked: now,
            answered: None,
        };
        self.instances.entry(instance.to_owned()).or_insert(new)
    }

    fn sweep(&mut self, now: Instant) {
        if self.instances.len() >= self.sweep_at {
            self.instances
                .retain(|_, standing| now.duration_since(standing.asked) <= KEPT);
            self.sweep_at = self.instances.len() * 2 + 64;
        }
    }
}

impl Standing {
    fn has_begun(&self, now: Instant) -> bool {
        let answered = self.answered;
        answered.is_some_and(|answered| now.duration_since(answered) < BEGUN)
    }
}
