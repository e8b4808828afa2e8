//! Whether something grows.

use std::fmt;
use std::time::Duration;

/// How a measure is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exact: one more that does not go again is a leak.
    Count,
    /// A count in which connections are that a pool keeps.
    Pool,
    /// Memory, which breathes.
    Kib,
}

/// Documents are kept for so long (`stale_if_error`), and pools fill meanwhile.
const WARM_UP: Duration = Duration::from_secs(360);
/// Connections to Nova that were needed at the same time for once are kept for the next time.
const POOLED: u64 = 4;
/// Samples from which a count, and a line, mean anything.
const ENOUGH_TO_COMPARE: usize = 3;
const ENOUGH_FOR_A_LINE: usize = 12;
/// Memory may grow by so much an hour: below that an hour does not tell.
const KIB_AN_HOUR: f64 = 512.0;
const SHARE_AN_HOUR: f64 = 0.05;
/// One extent of an allocator may come late in a run.
const BREATH_KIB: f64 = 256.0;
const HOUR: f64 = 3600.0;

/// A measure at a time of a run.
pub(super) type Point = (Duration, u64);

/// A measure over a whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) lowest: u64,
    pub(super) highest: u64,
    /// Of memory, once it was warm, by the line that fits best; `None` if it never was for
    /// long enough.
    pub(super) an_hour: Option<f64>,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    NoLeak,
    Leak,
    NotJudged(&'static str),
}

impl Trend {
    /// Of points in the order of their times.
    pub(super) fn of(kind: Kind, points: &[Point]) -> Option<Self> {
        let values: Vec<u64> = points.iter().map(|(_, value)| *value).collect();
        let (an_hour, verdict) = match kind {
            Kind::Count => (None, compare(&values, 0)),
            Kind::Pool => (None, compare(&values, POOLED)),
            Kind::Kib => match Line::of_the_warm(points) {
                Some(line) => (Some(line.an_hour()), line.judge()),
                None => (None, Verdict::NotJudged("the run is too short")),
            },
        };
        Some(Self {
            first: *values.first()?,
            last: *values.last()?,
            lowest: *values.iter().min()?,
            highest: *values.iter().max()?,
            an_hour,
            verdict,
        })
    }
}

/// The last third with the first one; what was about to go when a sample was taken is no
/// leak.
fn compare(values: &[u64], more: u64) -> Verdict {
    if values.len() < ENOUGH_TO_COMPARE {
        return Verdict::NotJudged("fewer than 3 samples");
    }
    let third = values.len().div_ceil(3);
    let lowest = |values: &mut dyn Iterator<Item = &u64>| values.min().copied().unwrap_or(0);
    let earlier = lowest(&mut values.iter().take(third));
    let later = lowest(&mut values.iter().rev().take(third));
    match later > earlier + more {
        true => Verdict::Leak,
        false => Verdict::NoLeak,
    }
}

/// The one that fits best.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// KiB a second.
    slope: f64,
    mean: f64,
    seconds: f64,
}

impl Line {
    fn of_the_warm(points: &[Point]) -> Option<Self> {
        let warm: Vec<(f64, f64)> = points
            .iter()
            .filter(|(at, _)| *at >= WARM_UP)
            .map(|(at, value)| (at.as_secs_f64(), float(*value)))
            .collect();
        let (first, last) = (warm.first()?, warm.last()?);
        let (middle, mean) = (
            average(&warm, |point| point.0),
            average(&warm, |point| point.1),
        );
        let covariance = average(&warm, |(at, value)| (at - middle) * (value - mean));
        let variance = average(&warm, |(at, _)| (at - middle).powi(2));
        (warm.len() >= ENOUGH_FOR_A_LINE).then(|| Self {
            slope: covariance / variance,
            mean,
            seconds: last.0 - first.0,
        })
    }

    fn an_hour(self) -> f64 {
        self.slope * HOUR
    }

    fn judge(self) -> Verdict {
        if self.an_hour() <= KIB_AN_HOUR.max(SHARE_AN_HOUR * self.mean) {
            Verdict::NoLeak
        } else if self.slope * self.seconds > BREATH_KIB {
            Verdict::Leak
        } else {
            Verdict::NotJudged("it grew, but by too little to tell in so short a run")
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeak => f.write_str("no leak"),
            Self::Leak => f.write_str("**LEAK**"),
            Self::NotJudged(why) => write!(f, "not judged: {why}"),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn average(points: &[(f64, f64)], of: impl Fn((f64, f64)) -> f64) -> f64 {
    points.iter().copied().map(of).sum::<f64>() / points.len() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn verdict(kind: Kind, values: impl IntoIterator<Item = u64>) -> Verdict {
        let times = (1..).map(|number| Duration::from_secs(30 * number));
        let points: Vec<Point> = times.zip(values).collect();
        Trend::of(kind, &points).unwrap().verdict
    }

    #[test]
    fn one_descriptor_more_is_a_leak() {
        let of = |values: &[u64]| verdict(Kind::Count, values.iter().copied());
        assert_eq!(of(&[7, 7, 7, 7, 7, 7]), Verdict::NoLeak);
        assert_eq!(of(&[7, 8, 7, 7, 9, 7]), Verdict::NoLeak);
        assert_eq!(of(&[7, 7, 7, 7, 8, 8]), Verdict::Leak);
        assert_eq!(of(&[7, 8, 9]), Verdict::Leak);
        assert!(matches!(of(&[7, 8]), Verdict::NotJudged(_)));
    }

    #[test]
    fn connections_that_are_kept_are_no_leak() {
        let of = |values: &[u64]| verdict(Kind::Pool, values.iter().copied());
        assert_eq!(of(&[41, 41, 43, 43, 43, 43]), Verdict::NoLeak);
        assert_eq!(of(&[41, 42, 43, 44, 45, 46, 47, 48, 49]), Verdict::Leak);
    }

    #[test]
    fn memory_that_grows_all_along_is_a_leak_and_breathing_is_none() {
        let hour = |value: fn(u64) -> u64| verdict(Kind::Kib, (0..120).map(value));
        assert_eq!(hour(|index| 10_000 + 5 * index), Verdict::Leak);
        assert_eq!(hour(|index| 10_000 + 4 * index), Verdict::NoLeak);
        assert_eq!(hour(|index| 10_000 + 300 * (index % 2)), Verdict::NoLeak);
        // A pool that fills at first.
        assert_eq!(hour(|index| 10_000 + 100 * index.min(8)), Verdict::NoLeak);
    }

    #[test]
    fn a_short_run_says_nothing_of_memory() {
        let growing = |samples| verdict(Kind::Kib, (0..samples).map(|index| 2_800 + 20 * index));
        assert!(matches!(growing(15), Verdict::NotJudged(_)));
        assert!(matches!(growing(24), Verdict::NotJudged(_)));
        assert_eq!(growing(26), Verdict::Leak);
        // As fast, but so far only one extent.
        let step = (0..26).map(|index| 2_800 + 132 * (index / 18));
        assert!(matches!(verdict(Kind::Kib, step), Verdict::NotJudged(_)));
    }
}
