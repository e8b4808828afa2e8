//! The same for people.

use std::fmt::{Display, Formatter, Result};

use super::{Case, Neighbours, Series};

impl Display for Neighbours {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== neighbours")?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        writeln!(f, "   times are {}", self.clock.describe())?;
        self.cases.iter().try_for_each(|case| write!(f, "{case}"))
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let unit = self.traffic.unit();
        writeln!(f, "\n-- {}", self.traffic.name())?;
        writeln!(
            f,
            "{:<26}{:>12}{:>12}{:>10}   rate / rate with nothing",
            "",
            format!("{unit}/s"),
            format!("ns/{unit}"),
            "more ns"
        )?;
        self.series
            .iter()
            .try_for_each(|series| write!(f, "{series}"))
    }
}

impl Display for Series {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let nanoseconds = self.median(|sample| sample.nanoseconds);
        let ratio = self.rate_ratio();
        write!(
            f,
            "{:<26}{:>12.0}{:>12.1}{:>+10.1}   {:.3} ({:.3} to {:.3})",
            self.name,
            1e9 / nanoseconds,
            nanoseconds,
            self.median(|sample| sample.more_nanoseconds),
            ratio.median,
            ratio.lowest,
            ratio.highest,
        )?;
        match self.aim {
            Some(aim) if ratio.median >= aim => writeln!(f, ", aim {aim}: met"),
            Some(aim) => writeln!(f, ", aim {aim}: MISSED"),
            None => writeln!(f),
        }
    }
}
