//! The same for people.

use std::fmt::{Display, Formatter, Result};

use super::Restarts;
use super::figures::Figures;

impl Display for Restarts {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== restarts")?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        writeln!(
            f,
            "\n{:<24}{:>6}{:>10}{:>9}{:>17}{:>12}{:>8}{:>13}{:>10}{:>12}",
            "",
            "times",
            "answered",
            "refused",
            "in flight: lost",
            "sent again",
            "failed",
            "closed idle",
            "p99",
            "slowest"
        )?;
        self.acts.iter().try_for_each(|act| write!(f, "{act}"))
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            act,
            times,
            answered,
            refused,
            in_flight,
            in_flight_sent_again,
            failed,
            closed_idle,
            p99_ms,
            slowest_ms,
            ..
        } = self;
        let verdict = if self.is_as_demanded() {
            ""
        } else {
            "   NOT as demanded"
        };
        writeln!(
            f,
            "{act:<24}{times:>6}{answered:>10}{refused:>9}{in_flight:>17}{in_flight_sent_again:>12}{failed:>8}{closed_idle:>13}\
             {p99_ms:>7.1} ms{slowest_ms:>9.1} ms{verdict}"
        )?;
        let mut failures = self.failures.iter();
        failures.try_for_each(|(what, times)| writeln!(f, "   {times} × {what}"))
    }
}
