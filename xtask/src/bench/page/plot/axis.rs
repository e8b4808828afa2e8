//! From figures to places: linear where bars can be compared by their length, logarithmic
//! where the shortest one would not be seen.

/// Ends between which a logarithmic axis may begin and end.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
const MOST_TICKS: usize = 7;

/// What lies between two ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    Linear { from: f64, to: f64, step: f64 },
    Logarithmic { from: f64, to: f64 },
}

impl Axis {
    /// For the lowest and highest of all figures; logarithmic when the largest of these
    /// medians is more than `times` the smallest, and there is no zero.
    pub(super) fn with_logarithm_beyond(
        times: f64,
        medians: &[f64],
        lowest: f64,
        highest: f64,
    ) -> Self {
        let smallest = medians.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match lowest > 0.0 && largest / smallest > times {
            true => Self::Logarithmic {
                from: step_below(lowest),
                to: step_above(highest),
            },
            false => Self::linear(lowest.min(0.0), highest.max(0.0)),
        }
    }

    fn linear(lowest: f64, highest: f64) -> Self {
        // Nothing but zeros needs some width too.
        let span = match highest > lowest {
            true => highest - lowest,
            false => 1.0,
        };
        let step = step_above(span / 5.0);
        Self::Linear {
            from: lowest,
            to: (highest / step).ceil().max(1.0) * step,
            step,
        }
    }

    pub(super) fn is_logarithmic(self) -> bool {
        matches!(self, Self::Logarithmic { .. })
    }

    /// A plot's caption, with what must be said of the axis.
    pub(super) fn caption(self, caption: &str) -> String {
        match self.is_logarithmic() {
            true => format!("{caption} (logarithmic axis)"),
            false => caption.to_owned(),
        }
    }

    /// From 0 at the beginning to 1 at the end.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear { from, to, .. } => (value - from) / (to - from),
            Self::Logarithmic { from, to } => (value / from).ln() / (to / from).ln(),
        }
    }

    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to, step } => {
                // Counted, not added up: sums drift.
                let first = (from / step).ceil();
                let ticks = (0_i32..).map(|number| (first + f64::from(number)) * step);
                ticks.take_while(|tick| *tick <= to + step / 2.0).collect()
            }
            Self::Logarithmic { from, to } => {
                let all: Vec<_> = steps_from(from)
                    .take_while(|(tick, _)| *tick <= to * 1.001)
                    .collect();
                let decades_only = all.len() > MOST_TICKS;
                let kept = all
                    .iter()
                    .filter(|(_, is_decade)| *is_decade || !decades_only);
                kept.map(|(tick, _)| *tick).collect()
            }
        }
    }
}

fn decade_of(value: f64) -> f64 {
    // 1000_f64.log10() may be a little less than 3.
    (value.log10() + 1e-9).floor()
}

fn step_below(value: f64) -> f64 {
    let decade = 10_f64.powf(decade_of(value));
    let below = STEPS.iter().rev().map(|step| step * decade);
    let below = below.into_iter().find(|step| *step <= value * 1.000_001);
    below.unwrap_or(decade)
}

fn step_above(value: f64) -> f64 {
    let decade = 10_f64.powf(decade_of(value));
    let above = STEPS.iter().map(|step| step * decade);
    let above = above.into_iter().find(|step| *step >= value * 0.999_999);
    above.unwrap_or(10.0 * decade)
}

/// Each with whether it is a power of ten.
fn steps_from(from: f64) -> impl Iterator<Item = (f64, bool)> {
    let first = decade_of(from);
    let decades = (0_i32..).map(move |number| 10_f64.powf(first + f64::from(number)));
    let steps = decades.flat_map(|decade| STEPS.map(|step| (step * decade, step == 1.0)));
    steps.skip_while(move |(step, _)| *step < from * 0.999)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(medians: &[f64], lowest: f64, highest: f64) -> Axis {
        Axis::with_logarithm_beyond(40.0, medians, lowest, highest)
    }

    #[test]
    fn bars_begin_at_nothing() {
        let axis = axis(&[3_868.0, 21_565.0], 3_500.0, 23_000.0);
        assert_eq!(
            axis.ticks(),
            [0.0, 5_000.0, 10_000.0, 15_000.0, 20_000.0, 25_000.0]
        );
        assert_eq!((axis.place(0.0), axis.place(12_500.0)), (0.0, 0.5));
    }

    #[test]
    fn what_differs_a_hundred_times_is_logarithmic() {
        let axis = axis(&[30.0, 23_058.0], 28.0, 24_000.0);
        assert!(axis.is_logarithmic());
        assert_eq!(axis.ticks(), [100.0, 1_000.0, 10_000.0]);
        let apart = axis.place(1_000.0) - axis.place(100.0);
        assert!((axis.place(10_000.0) - axis.place(1_000.0) - apart).abs() < 1e-9);
    }

    #[test]
    fn nothing_has_no_place_on_a_logarithmic_axis() {
        assert!(!axis(&[0.0, 1_000.0], 0.0, 1_000.0).is_logarithmic());
    }

    #[test]
    fn less_than_nothing_is_left_of_it() {
        let axis = axis(&[-1.5, 1_047.0], -3.0, 1_060.0);
        assert!(axis.place(-1.5) < axis.place(0.0) && axis.place(-3.0) >= 0.0);
    }

    #[test]
    fn zeros_alone_have_an_axis() {
        assert_eq!(axis(&[0.0], 0.0, 0.0).place(0.0), 0.0);
    }
}
