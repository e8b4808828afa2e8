//! The same for people: a column for each number of routers.

use std::fmt::{Display, Formatter, Result};

use super::figures::{Figures, Scale};

/// What stands in a line, and how it is written.
type Line = (&'static str, fn(&Figures) -> String);

const LINES: &[Line] = &[
    ("cold start, s", |f| format!("{:.2}", f.cold_start_seconds)),
    ("  CPU of ours, s", |f| {
        format!("{:.2}", f.cold_start_cpu_seconds)
    }),
    ("one more, p50, ms", |f| format!("{:.1}", f.newcomer_p50_ms)),
    ("one more, p99, ms", |f| format!("{:.1}", f.newcomer_p99_ms)),
    ("supervisor, RSS KiB", |f| f.supervisor.rss_kib.to_string()),
    ("  open files", |f| f.supervisor.open_files.to_string()),
    ("worker, RSS KiB", |f| f.worker.rss_kib.to_string()),
    ("  open files", |f| f.worker.open_files.to_string()),
    ("holder, RSS KiB", |f| f.holder.rss_kib.to_string()),
    ("  open files", |f| f.holder.open_files.to_string()),
    ("warden, private KiB", |f| f.warden.private_kib.to_string()),
    ("kernel, KiB", |f| format!("{:.0}", f.kernel_kib)),
    ("each further router, KiB", |f| {
        f.kib_per_further_router
            .map_or(String::new(), |kib| format!("{kib:.1}"))
    }),
    ("  its namespace alone, KiB", |f| {
        format!("{:.0}", f.namespace_kib)
    }),
    ("idle, wake-ups/s", |f| {
        format!("{:.1}", f.idle.switches_per_second)
    }),
    ("idle, CPU µs/s", |f| {
        format!("{:.0}", f.idle.cpu_us_per_second)
    }),
    ("metadatad status, ms", |f| format!("{:.0}", f.status_ms)),
    ("metrics scrape, ms", |f| format!("{:.0}", f.scrape_ms)),
];

impl Display for Scale {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== scale")?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        write!(f, "\n{:<28}", "routers")?;
        for figures in &self.metadatad {
            write!(f, "{:>10}", figures.routers)?;
        }
        writeln!(f)?;
        for (name, text) in LINES {
            write!(f, "{name:<28}")?;
            for figures in &self.metadatad {
                write!(f, "{:>10}", text(figures))?;
            }
            writeln!(f)?;
        }
        self.write_haproxies(f)
    }
}

impl Scale {
    /// What ten thousand would be is computed, not measured.
    fn write_haproxies(&self, f: &mut Formatter<'_>) -> Result {
        for one in &self.haproxy {
            writeln!(
                f,
                "\n{} haproxies: started one after the other in {:.2} s, {:.0} KiB of PSS each",
                one.routers, one.seconds_to_start, one.kib_per_router
            )?;
        }
        let Some(largest) = self.haproxy.last() else {
            return Ok(());
        };
        #[allow(clippy::cast_precision_loss, reason = "a hundred")]
        let seconds_each = largest.seconds_to_start / largest.routers as f64;
        writeln!(
            f,
            "   by that, 10,000 would take {:.0} GiB and {:.0} s: extrapolated, not measured",
            largest.kib_per_router * 10_000.0 / f64::from(1 << 20),
            seconds_each * 10_000.0
        )
    }
}
