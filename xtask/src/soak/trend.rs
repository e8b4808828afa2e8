//! Whether something grows.

/// How a measure is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exact: one more that does not go again is a leak.
    Count,
    /// Connections are among them, which come and go.
    Open,
    /// Memory, which breathes.
    Kib,
}

/// Memory may seem to grow by so much in a whole run.
const BREATH_KIB: f64 = 512.0;
const BREATH_SHARE: f64 = 0.05;
/// Connections may seem to.
const BREATH_OPEN: f64 = 8.0;
/// Samples from which a slope means anything.
const ENOUGH: usize = 12;

/// A measure over a whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) lowest: u64,
    pub(super) highest: u64,
    /// Growth from the end of the warm-up to the end of the run, by the line that fits
    /// best.
    pub(super) growth: f64,
    pub(super) is_leak: bool,
}

impl Trend {
    /// Of values in the order in which they were taken, at regular intervals.
    pub(super) fn of(kind: Kind, values: &[u64]) -> Option<Self> {
        // Pools and caches fill at first.
        let warm = values.get(values.len() / 10..)?;
        let growth = slope(warm) * f64::from(u32::try_from(warm.len().checked_sub(1)?).ok()?);
        let third = values.len().div_ceil(3);
        let (earlier, later) = (values.get(..third)?, values.get(values.len() - third..)?);
        let is_leak = match kind {
            // What was about to go when a sample was taken is none.
            Kind::Count => later.iter().min() > earlier.iter().min(),
            Kind::Open => values.len() >= ENOUGH && growth > BREATH_OPEN,
            Kind::Kib => {
                values.len() >= ENOUGH && growth > BREATH_KIB.max(BREATH_SHARE * mean(warm))
            }
        };
        Some(Self {
            first: *values.first()?,
            last: *values.last()?,
            lowest: *values.iter().min()?,
            highest: *values.iter().max()?,
            growth,
            is_leak,
        })
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "KiB and counts are far below 2^52"
)]
fn mean(values: &[u64]) -> f64 {
    values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64
}

/// For each interval, by least squares.
#[allow(
    clippy::cast_precision_loss,
    reason = "KiB and counts are far below 2^52"
)]
fn slope(values: &[u64]) -> f64 {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let mean = mean(values);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let distance = index as f64 - middle;
        covariance += distance * (*value as f64 - mean);
        variance += distance * distance;
    }
    if variance == 0.0 {
        return 0.0;
    }
    covariance / variance
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_more_is_a_leak() {
        let leak = |values: &[u64]| Trend::of(Kind::Count, values).unwrap().is_leak;
        assert!(!leak(&[7, 7, 7, 7, 7, 7]));
        assert!(!leak(&[7, 8, 7, 7, 9, 7]));
        assert!(leak(&[7, 7, 7, 7, 8, 8]));
        assert!(leak(&[7, 8, 9]));
    }

    #[test]
    fn memory_that_grows_all_along_is_a_leak_and_breathing_is_none() {
        let trend = |value: fn(u64) -> u64| {
            let values: Vec<u64> = (0..100).map(value).collect();
            Trend::of(Kind::Kib, &values).unwrap()
        };
        let growing = trend(|index| 10_000 + 20 * index);
        assert!(growing.is_leak);
        assert!((growing.growth - 20.0 * 89.0).abs() < 1.0, "{growing:?}");
        assert!(!trend(|index| 10_000 + 300 * (index % 2)).is_leak);
        // A pool that fills at first.
        assert!(!trend(|index| 10_000 + 100 * index.min(8)).is_leak);
    }
}
