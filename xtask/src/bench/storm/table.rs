//! The same for people: a line for each run.

use std::fmt::{Display, Formatter, Result};

use super::figures::{Figures, Storm};

impl Display for Storm {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(
            f,
            "\n== storm: {} guests behind {} routers, started within {} s",
            self.guests, self.routers, self.spread_seconds
        )?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        writeln!(
            f,
            "\n{:<34}{:>8}{:>8}{:>8}{:>10}{:>9}{:>9}{:>8}{:>9}{:>8}{:>9}{:>9}{:>10}",
            "",
            "50 %",
            "95 %",
            "all",
            "requests",
            "retries",
            "timeout",
            "5xx",
            "interim",
            "failed",
            "without",
            "p50",
            "p99"
        )?;
        self.runs.iter().try_for_each(|run| run.write(f, self))?;
        for run in &self.runs {
            let cpu: Vec<String> = run
                .cpu
                .iter()
                .map(|(name, seconds)| format!("{name} {seconds:.1}"))
                .collect();
            writeln!(f, "   CPU, s, {}: {}", run.lane, cpu.join(", "))?;
        }
        Ok(())
    }
}

impl Figures {
    fn write(&self, f: &mut Formatter<'_>, storm: &Storm) -> Result {
        let [half, most] = [self.half, self.most]
            .map(|at| at.map_or("never".to_owned(), |at| format!("{at:.1} s")));
        let all = self.all.map_or_else(
            || format!("{}/{}", self.complete.len(), storm.guests),
            |at| format!("{at:.1} s"),
        );
        let tally = &self.tally;
        let refused: u64 = tally.statuses.range(500..).map(|(_, count)| count).sum();
        writeln!(
            f,
            "{:<34}{half:>8}{most:>8}{all:>8}{:>10}{:>9}{:>9}{refused:>8}{:>9}{:>8}{:>9}{:>9}{:>10}",
            self.lane,
            tally.requests,
            tally.retries,
            tally.timeouts + tally.no_connection + tally.lost,
            tally.interim,
            self.failed_crawls,
            self.stranded,
            format!("{:.0} ms", self.wait_p50 * 1e3),
            format!("{:.0} ms", self.wait_p99 * 1e3),
        )
    }
}
