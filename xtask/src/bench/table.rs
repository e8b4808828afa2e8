//! The same for people.

use std::fmt::{Display, Formatter, Result, Write};

use super::memory::Growths;
use super::report::{Case, Part, Ratio};
use super::rounds::Series;

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== {}", self.name)?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        self.cases.iter().try_for_each(|case| write!(f, "{case}"))
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n-- {}", self.comparison.workload.describe())?;
        writeln!(
            f,
            "{:<26}{:>9}{:>9}{:>9}{:>9}   CPU µs/request",
            "", "req/s", "p50 µs", "p90 µs", "p99 µs"
        )?;
        for series in &self.comparison.series {
            write_series(f, series)?;
        }
        self.ratios
            .iter()
            .try_for_each(|ratio| write!(f, "{ratio}"))
    }
}

fn write_series(f: &mut Formatter<'_>, series: &Series) -> Result {
    write!(
        f,
        "{:<26}{:>9.0}{:>9.0}{:>9.0}{:>9.0}   machine {:.1} (softirq {:.1})",
        series.name,
        series.rate(),
        series.median(|sample| sample.p50_us),
        series.median(|sample| sample.p90_us),
        series.median(|sample| sample.p99_us),
        series.median(|sample| sample.machine_us),
        series.median(|sample| sample.softirq_us),
    )?;
    for process in series.processes() {
        let used = series.median(|sample| sample.process_us.get(process).copied().unwrap_or(0.0));
        write!(f, ", {process} {used:.1}")?;
    }
    let failed = series.median(|sample| sample.failed_share);
    if failed > 0.0 {
        write!(f, "; {:.1} % of its requests failed", failed * 100.0)?;
    }
    writeln!(f)
}

impl Display for Ratio {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(
            f,
            "   {} / {} = {:.2} ({:.2} to {:.2})",
            self.of, self.to, self.value.median, self.value.lowest, self.value.highest
        )?;
        match self.aim {
            Some(aim) if self.value.median >= aim => writeln!(f, ", aim {aim}: met"),
            Some(aim) => writeln!(f, ", aim {aim}: MISSED"),
            None => writeln!(f),
        }
    }
}

impl Display for Growths {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== {}", self.name)?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        let mut head = format!("\n{:<26}", "KiB");
        for column in ["PSS of 1", "RSS of 1", "PSS", "RSS", "private", "a router"] {
            write!(head, "{column:>10}")?;
        }
        writeln!(f, "{head}   all answer after")?;
        for growth in &self.growths {
            writeln!(
                f,
                "{:<26}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10.1}   {:.2} s",
                format!("{} {}", growth.routers, growth.name),
                growth.one.pss_kib,
                growth.one.rss_kib,
                growth.all.pss_kib,
                growth.all.rss_kib,
                growth.all.private_kib,
                growth.kib_per_further_router,
                growth.seconds_until_all_answer,
            )?;
        }
        Ok(())
    }
}
