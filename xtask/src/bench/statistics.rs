//! Medians: a mean would follow the one run that something disturbed.

use serde::{Deserialize, Serialize};

/// The median, 0 of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2);
    match (lower, upper) {
        (Some(lower), Some(upper)) => (lower + upper) / 2.0,
        _ => 0.0,
    }
}

/// Of sorted values, the one that `part` per cent are not above; 0 of nothing.
pub(super) fn percentile(sorted: &[f64], part: usize) -> f64 {
    let place = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(0.0)
}

/// A median and what lies around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) lowest: f64,
    pub(super) median: f64,
    pub(super) highest: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        Self {
            lowest: values.clone().fold(f64::INFINITY, f64::min),
            median: median(values.clone()),
            highest: values.fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([9.0, 1.0, 2.0, 4.0].into_iter()), 3.0);
    }

    #[test]
    fn the_99th_of_a_hundred_is_the_slowest() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            (percentile(&sorted, 50), percentile(&sorted, 99)),
            (51.0, 100.0)
        );
        assert_eq!(percentile(&[], 99), 0.0);
    }

    #[test]
    fn a_spread_has_its_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter());
        assert_eq!(
            (spread.lowest, spread.median, spread.highest),
            (1.0, 2.0, 3.0)
        );
    }
}
