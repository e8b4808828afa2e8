//! Figures as people read them.

use crate::bench::statistics::Spread;

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Requests a second, a ratio: the caption says it.
    Plain,
    /// What is counted, and so exact.
    Count,
    /// Seconds, written in what suits them.
    Time,
    Kib,
    /// A share from 0 to 1, written in per cent.
    Share,
}

impl Unit {
    /// Three digits, which is as many as a measurement is worth.
    pub(super) fn text(self, value: f64) -> String {
        self.write(value, figure)
    }

    /// A median, with the range when there is one.
    pub(super) fn range(self, spread: Spread) -> String {
        let Spread {
            lowest,
            median,
            highest,
        } = spread;
        let [low, middle, high] = [lowest, median, highest].map(|value| self.text(value));
        match lowest < highest {
            true => format!("{middle} ({low}–{high})"),
            false => middle,
        }
    }

    /// For an axis: without zeros at the end, and without a unit for nothing.
    pub(super) fn tick(self, value: f64) -> String {
        if value == 0.0 {
            return "0".to_owned();
        }
        self.write(value, |value| without_zeros(&figure(value)))
    }

    fn write(self, value: f64, figure: impl Fn(f64) -> String) -> String {
        match self {
            Self::Plain => figure(value),
            Self::Count => with_commas(&value.to_string()),
            Self::Kib => format!("{} KiB", figure(value)),
            Self::Share => format!("{} %", figure(value * 100.0)),
            Self::Time => {
                let (unit, seconds) = unit_of_time(value);
                format!("{} {unit}", figure(value / seconds))
            }
        }
    }
}

/// Its name, and its seconds.
fn unit_of_time(seconds: f64) -> (&'static str, f64) {
    match seconds.abs() {
        0.0 => ("s", 1.0),
        below if below < 0.999_5e-6 => ("ns", 1e-9),
        below if below < 0.999_5e-3 => ("µs", 1e-6),
        below if below < 0.999_5 => ("ms", 1e-3),
        _ => ("s", 1.0),
    }
}

/// Three digits, with commas between thousands.
pub(super) fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        large if large >= 99.95 => 0,
        medium if medium >= 9.995 => 1,
        small if small >= 0.099_95 => 2,
        tiny if tiny >= 0.009_995 => 3,
        _ => 4,
    };
    with_commas(&format!("{value:.decimals$}"))
}

/// Of things that are counted.
pub(super) fn count(things: usize) -> String {
    with_commas(&things.to_string())
}

fn with_commas(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (digits, String::new()),
    };
    let mut grouped = String::new();
    for (digit, left) in whole.chars().zip((0..whole.len()).rev()) {
        grouped.push(digit);
        if left > 0 && left % 3 == 0 {
            grouped.push(',');
        }
    }
    format!("{sign}{grouped}{fraction}")
}

fn without_zeros(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_digits_and_commas() {
        let written = [
            0.0,
            0.0034,
            0.034,
            0.88,
            1.386,
            31.04,
            312.7,
            -4_567.8,
            1_234_567.0,
        ];
        let read = [
            "0",
            "0.0034",
            "0.034",
            "0.88",
            "1.39",
            "31.0",
            "313",
            "-4,568",
            "1,234,567",
        ];
        assert_eq!(written.map(figure), read);
    }

    #[test]
    fn a_count_is_exact() {
        assert_eq!([4, 10_000].map(count), ["4", "10,000"]);
        assert_eq!(Unit::Count.text(3.0), "3");
    }

    #[test]
    fn a_time_has_the_unit_that_suits_it() {
        let written = [0.0, 26e-9, 710e-6, 999.9e-6, 0.0106, 1.9, 500.0];
        let read = [
            "0 s", "26.0 ns", "710 µs", "1.00 ms", "10.6 ms", "1.90 s", "500 s",
        ];
        assert_eq!(written.map(|seconds| Unit::Time.text(seconds)), read);
    }

    #[test]
    fn a_range_has_its_ends_if_there_are_any() {
        let spread = |values: [f64; 3]| Spread::of(values.into_iter());
        assert_eq!(
            Unit::Time.range(spread([2.0, 1.0, 3.0])),
            "2.00 s (1.00 s–3.00 s)"
        );
        assert_eq!(Unit::Plain.range(spread([1.0; 3])), "1.00");
    }

    #[test]
    fn a_tick_has_no_zeros_that_say_nothing() {
        assert_eq!(Unit::Time.tick(1e-3), "1 ms");
        assert_eq!(Unit::Time.tick(0.0), "0");
        assert_eq!(Unit::Plain.tick(2.50), "2.5");
        assert_eq!(Unit::Kib.tick(1_000.0), "1,000 KiB");
    }
}
