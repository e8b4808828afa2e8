//! How long to wait before RabbitMQ is tried again.

use std::time::Duration;

use crate::config::ReconnectConfig;

/// Waits that grow with each failure. kombu tries the nodes one after the other
/// and only waits after the last of them (`kombu.Connection._ensure_connection`).
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    step: Duration,
    longest: Duration,
    nodes: usize,
    failures: usize,
}

impl Backoff {
    /// For so many nodes, at least one.
    pub(super) fn new(config: &ReconnectConfig, nodes: usize) -> Self {
        Self {
            first: config.first,
            step: config.step,
            longest: config.longest,
            nodes: nodes.max(1),
            failures: 0,
        }
    }

    /// How long to wait after one more failure.
    pub(super) fn after_failure(&mut self) -> Duration {
        self.failures += 1;
        if !self.failures.is_multiple_of(self.nodes) {
            return Duration::ZERO;
        }
        let rounds = u32::try_from(self.failures / self.nodes).unwrap_or(u32::MAX);
        let wait = self
            .first
            .saturating_add(self.step.saturating_mul(rounds - 1));
        wait.min(self.longest)
    }

    /// A node was reached.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(nodes: usize, count: usize) -> Vec<u64> {
        let config = ReconnectConfig {
            delay: Duration::ZERO,
            splay: Duration::ZERO,
            first: Duration::from_secs(1),
            step: Duration::from_secs(2),
            longest: Duration::from_secs(6),
        };
        let mut backoff = Backoff::new(&config, nodes);
        (0..count)
            .map(|_| backoff.after_failure().as_secs())
            .collect()
    }

    #[test]
    fn waits_grow_by_the_step_up_to_the_longest() {
        assert_eq!(waits(1, 5), [1, 3, 5, 6, 6]);
    }

    #[test]
    fn the_nodes_of_a_round_follow_each_other_at_once() {
        assert_eq!(waits(3, 7), [0, 0, 1, 0, 0, 3, 0]);
    }

    #[test]
    fn success_begins_anew() {
        let config = ReconnectConfig {
            delay: Duration::ZERO,
            splay: Duration::ZERO,
            first: Duration::from_secs(1),
            step: Duration::from_secs(2),
            longest: Duration::from_secs(6),
        };
        let mut backoff = Backoff::new(&config, 1);
        backoff.after_failure();
        backoff.after_failure();
        backoff.succeeded();
        assert_eq!(backoff.after_failure(), Duration::from_secs(1));
    }
}
