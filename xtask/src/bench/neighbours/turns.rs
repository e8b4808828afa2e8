//! A burst of each contender, again and again, so that what disturbs one disturbs all.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::bench::statistics::median;
use crate::stop;

/// Somebody whose packets are timed.
pub(super) struct Runner {
    pub(super) name: &'static str,
    pub(super) aim: Option<f64>,
    /// Sends a burst, and returns the nanoseconds of a packet, or of a KiB.
    pub(super) burst: Box<dyn FnMut() -> Result<f64>>,
}

/// What all bursts of a round say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Sample {
    /// The median, of a packet or of a KiB.
    pub(super) nanoseconds: f64,
    /// The median of the differences to the first runner within a turn.
    pub(super) more_nanoseconds: f64,
    /// The median of the ratios of the rate to the first runner's within a turn.
    pub(super) rate_ratio: f64,
    pub(super) bursts: usize,
}

/// Lets each send a burst that does not count, and then bursts by turns, so long that each
/// has about `time`. A sample of each, in their order.
///
/// # Errors
/// When one fails.
pub(super) fn take(runners: &mut [Runner], time: Duration) -> Result<Vec<Sample>> {
    let end = Instant::now() + time * u32::try_from(runners.len())?;
    turn(runners)?;
    let mut turns = vec![turn(runners)?];
    while Instant::now() < end {
        turns.push(turn(runners)?);
    }
    let samples = (0..runners.len()).map(|place| Sample::of(&turns, place));
    Ok(samples.collect())
}

/// A burst of each, in their order.
fn turn(runners: &mut [Runner]) -> Result<Vec<f64>> {
    let bursts = runners.iter_mut().map(|runner| {
        stop::check()?;
        (runner.burst)()
    });
    bursts.collect()
}

impl Sample {
    fn of(turns: &[Vec<f64>], place: usize) -> Self {
        let pair = |turn: &Vec<f64>| Some((*turn.first()?, *turn.get(place)?));
        let pairs = || turns.iter().filter_map(pair);
        Self {
            nanoseconds: median(pairs().map(|(_, this)| this)),
            more_nanoseconds: median(pairs().map(|(first, this)| this - first)),
            rate_ratio: median(pairs().map(|(first, this)| first / this)),
            bursts: pairs().count(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn runner(times: Vec<f64>) -> Runner {
        let mut times = times.into_iter().cycle();
        Runner {
            name: "",
            aim: None,
            burst: Box::new(move || Ok(times.next().unwrap_or_default())),
        }
    }

    #[test]
    fn what_slows_a_turn_down_leaves_the_ratio_alone() {
        let turns = [vec![1.0, 2.0], vec![10.0, 20.0], vec![1.0, 2.0]];
        let sample = Sample::of(&turns, 1);
        assert_eq!((sample.nanoseconds, sample.rate_ratio), (2.0, 0.5));
        assert_eq!((sample.more_nanoseconds, sample.bursts), (1.0, 3));
    }

    #[test]
    fn the_first_burst_of_each_does_not_count() {
        let mut runners = [runner(vec![9.0, 1.0]), runner(vec![9.0, 4.0])];
        let samples = take(&mut runners, Duration::ZERO).unwrap();
        let ratios: Vec<_> = samples.iter().map(|sample| sample.rate_ratio).collect();
        assert_eq!(ratios, [1.0, 0.25]);
    }
}
