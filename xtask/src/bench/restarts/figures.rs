//! What guests saw of one kind of act.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::client::{Cut, Log};
use crate::lab::kills::Kills;

/// Counted over all guests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) act: &'static str,
    pub(super) times: u32,
    pub(super) seconds: f64,
    pub(super) answered: usize,
    /// Met the end of a kept connection and were sent again.
    pub(super) closed_idle: usize,
    pub(super) refused: usize,
    /// Cut off by a kill, sent again or not.
    pub(super) in_flight: usize,
    pub(super) failed: usize,
    /// How often each happened.
    pub(super) failures: BTreeMap<String, usize>,
    pub(super) p99_ms: f64,
    pub(super) slowest_ms: f64,
    /// The longest time from a worker's kill to the end of all its threads.
    pub(super) longest_kill_ms: f64,
}

impl Figures {
    pub(super) fn of(
        act: &'static str,
        times: u32,
        took: Duration,
        mut log: Log,
        kills: &Kills,
    ) -> Self {
        let (hit, missed): (Vec<&Cut>, Vec<&Cut>) = log
            .cut_off
            .iter()
            .partition(|cut| kills.hit(cut.sent, cut.noticed));
        let (sent_again, lost): (Vec<&Cut>, Vec<&Cut>) =
            missed.into_iter().partition(|cut| cut.was_sent_again);
        let cut_off = lost.iter().map(|_| "cut off, without a kill".to_owned());
        let mut failures = BTreeMap::new();
        for failure in log.failed.into_iter().chain(cut_off) {
            *failures.entry(failure).or_default() += 1;
        }
        log.answered.sort_unstable();
        let rank = log.answered.len().saturating_sub(1) * 99 / 100;
        let at = |place: Option<&Duration>| milliseconds(place.copied().unwrap_or_default());
        Self {
            act,
            times,
            seconds: took.as_secs_f64(),
            answered: log.answered.len(),
            closed_idle: sent_again.len(),
            refused: log.refused,
            in_flight: hit.len(),
            failed: failures.values().sum(),
            failures,
            p99_ms: at(log.answered.get(rank)),
            slowest_ms: at(log.answered.last()),
            longest_kill_ms: milliseconds(kills.longest()),
        }
    }

    /// Whether no request failed that was not in flight at a kill, and no connection was
    /// refused.
    pub(super) fn is_as_demanded(&self) -> bool {
        self.refused == 0 && self.failed == 0
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_cut_off_without_a_kill_has_failed_unless_it_was_sent_again() {
        let now = Instant::now();
        let cut = |was_sent_again| Cut {
            sent: now,
            noticed: now,
            was_sent_again,
        };
        let log = Log {
            answered: (1..=100).map(Duration::from_millis).collect(),
            cut_off: vec![cut(true), cut(false), cut(true)],
            refused: 0,
            failed: vec!["http/1.1 503".to_owned()],
        };
        let figures = Figures::of("restart", 1, Duration::ZERO, log, &Kills::default());
        assert_eq!((figures.closed_idle, figures.failed), (2, 2));
        assert_eq!((figures.p99_ms, figures.slowest_ms), (99.0, 100.0));
        assert!(!figures.is_as_demanded());
    }
}
