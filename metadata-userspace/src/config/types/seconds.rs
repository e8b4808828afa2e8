//! Values that are times.

use std::time::Duration;

use super::OptionType;

/// Seconds, with a fraction if one likes: more than 0, at most a day.
#[derive(Debug)]
pub(in crate::config) struct Seconds;

const LONGEST: f64 = 86_400.0;

impl OptionType for Seconds {
    type Value = Duration;

    fn parse(&self, text: &str) -> Option<Duration> {
        let seconds: f64 = text.trim().parse().ok()?;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        (!duration.is_zero() && seconds <= LONGEST).then_some(duration)
    }

    fn allowed(&self) -> String {
        "a number of seconds above 0, at most 86400".to_owned()
    }
}

/// Seconds that may be 0.
#[derive(Debug)]
pub(in crate::config) struct SecondsUpTo(pub(in crate::config) f64);

impl OptionType for SecondsUpTo {
    type Value = Duration;

    fn parse(&self, text: &str) -> Option<Duration> {
        let seconds: f64 = text.trim().parse().ok()?;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        (seconds <= self.0).then_some(duration)
    }

    fn allowed(&self) -> String {
        format!("a number of seconds from 0 to {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::tests::check;

    #[test]
    fn seconds_may_have_a_fraction() {
        check(
            &Seconds,
            &[
                ("10", Duration::from_secs(10)),
                ("0.25", Duration::from_millis(250)),
            ],
            &["", "0", "-1", "nan", "inf", "86401", "1s"],
        );
    }

    #[test]
    fn some_seconds_may_be_none() {
        let good = [("0", 0), ("1.0", 1000), (" 4.5 ", 4500), (".25", 250)];
        let good = good.map(|(text, ms)| (text, Duration::from_millis(ms)));
        let bad = ["-1", "4.6", "", "nan", "inf", "1s"];
        check(&SecondsUpTo(4.5), &good, &bad);
    }
}
