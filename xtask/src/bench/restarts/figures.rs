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
    /// Met the end of a kept connection and were sent again, and so are counted by what
    /// became of them then.
    pub(super) closed_idle: usize,
    /// The same, while a worker was killed, which may have had them.
    pub(super) in_flight_sent_again: usize,
    pub(super) refused: usize,
    /// Cut off by a kill, and lost.
    pub(super) in_flight: usize,
    pub(super) failed: usize,
    /// How often each happened.
    pub(super) failures: BTreeMap<String, usize>,
    pub(super) p99_ms: f64,
    pub(super) slowest_ms: f64,
    /// The longest time from a worker's kill to the end of all its threads.
    pub(super) longest_kill_ms: f64,
    /// The longest time from there until a guest noticed that its request was cut off.
    pub(super) latest_notice_ms: f64,
}

impl Figures {
    pub(super) fn of(
        act: &'static str,
        times: u32,
        took: Duration,
        mut log: Log,
        kills: &Kills,
    ) -> Self {
        let (sent_again, over): (Vec<&Cut>, Vec<&Cut>) =
            log.cut_off.iter().partition(|cut| cut.is_sent_again());
        let hits = |cuts: &[&Cut]| cuts.iter().filter(|cut| is_hit(cut, kills)).count();
        let (in_flight, in_flight_sent_again) = (hits(&over), hits(&sent_again));
        let missed = over.iter().filter(|cut| !is_hit(cut, kills));
        let cut_off = missed.map(|cut| describe(cut).to_owned());
        let noticed = log.cut_off.iter();
        let noticed = noticed.filter_map(|cut| kills.noticed_after(cut.sent, cut.noticed));
        let latest_notice = noticed.max().unwrap_or_default();
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
            closed_idle: sent_again.len() - in_flight_sent_again,
            in_flight_sent_again,
            refused: log.refused,
            in_flight,
            failed: failures.values().sum(),
            failures,
            p99_ms: at(log.answered.get(rank)),
            slowest_ms: at(log.answered.last()),
            longest_kill_ms: milliseconds(kills.longest()),
            latest_notice_ms: milliseconds(latest_notice),
        }
    }

    /// Whether no request failed that was not in flight at a kill, and no connection was
    /// refused.
    pub(super) fn is_as_demanded(&self) -> bool {
        self.refused == 0 && self.failed == 0
    }
}

fn is_hit(cut: &Cut, kills: &Kills) -> bool {
    kills.hit(cut.sent, cut.noticed)
}

/// What no kill explains.
fn describe(cut: &Cut) -> &'static str {
    match cut {
        Cut {
            had_begun: true, ..
        } => "cut off in the midst of its answer, without a kill",
        Cut {
            is_on_kept: true, ..
        } => "taken on a kept connection and never answered, without a kill",
        _ => "cut off on a new connection, without a kill",
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::lab::client::CROSSED_WITHIN;

    const NEW: (bool, bool) = (false, false);
    const KEPT: (bool, bool) = (true, false);

    fn cut((is_on_kept, had_begun): (bool, bool), sent: Instant, after: Duration) -> Cut {
        Cut {
            sent,
            noticed: sent + after,
            is_on_kept,
            had_begun,
        }
    }

    fn figures(cut_off: Vec<Cut>, kills: &Kills) -> Figures {
        let log = Log {
            answered: (1..=100).map(Duration::from_millis).collect(),
            cut_off,
            refused: 0,
            failed: vec!["http/1.1 503".to_owned()],
        };
        Figures::of("restart", 1, Duration::ZERO, log, kills)
    }

    #[test]
    fn what_is_cut_off_without_a_kill_has_failed_unless_it_was_sent_again() {
        let (now, soon) = (Instant::now(), Duration::from_millis(1));
        let cuts = vec![
            cut(KEPT, now, soon),
            cut(KEPT, now, soon),
            cut(NEW, now, soon),
            // Its answer had begun, or it was taken.
            cut((true, true), now, soon),
            cut(KEPT, now, 5 * CROSSED_WITHIN),
        ];
        let figures = figures(cuts, &Kills::default());
        assert_eq!((figures.closed_idle, figures.failed), (2, 4));
        assert_eq!((figures.p99_ms, figures.slowest_ms), (99.0, 100.0));
        assert!(!figures.is_as_demanded());
    }

    #[test]
    fn a_kill_loses_what_it_cut_off_and_was_not_sent_again() -> anyhow::Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let (before, kills) = (Instant::now(), Kills::default());
        kills.kill(child.id(), None)?;
        child.wait()?;
        let took = before.elapsed();
        let cuts = vec![
            cut(KEPT, before, took),
            cut(NEW, before, took),
            cut((true, true), before, took),
            // By the next worker.
            cut(NEW, before, took + 5 * CROSSED_WITHIN),
            cut(NEW, Instant::now(), took),
        ];
        let figures = figures(cuts, &kills);
        assert_eq!((figures.in_flight, figures.in_flight_sent_again), (2, 1));
        assert_eq!((figures.closed_idle, figures.failed), (0, 3));
        Ok(())
    }
}
