//! The same for people.

use std::fmt::{Display, Formatter, Result};

use super::{AIM_ELSEWHERE, AIM_NEIGHBOUR, Case, Fairness, Latencies, Sample, Series};
use crate::bench::statistics::{Spread, median};

impl Display for Fairness {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\n== fairness")?;
        for note in self.notes {
            writeln!(f, "   {note}")?;
        }
        writeln!(
            f,
            "\n{:<36}{:>34}{:>40}",
            "", "neighbour on the router", "guest of another router"
        )?;
        self.cases.iter().try_for_each(|case| write!(f, "{case}"))
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for series in &self.series {
            write!(f, "{:<14}{:<20}", self.flood, series.name)?;
            let aims = (self.flood != "no flood").then_some([AIM_NEIGHBOUR, AIM_ELSEWHERE]);
            let [neighbour, elsewhere] = aims.map_or([None; 2], |aims| aims.map(Some));
            write_side(
                f,
                series,
                |s| &s.neighbour,
                series.neighbour_ratio,
                neighbour,
            )?;
            write_side(
                f,
                series,
                |s| &s.elsewhere,
                series.elsewhere_ratio,
                elsewhere,
            )?;
            let flood = median(series.samples.iter().map(|sample| sample.flood_per_second));
            writeln!(f, "   flood {flood:.0}/s")?;
        }
        Ok(())
    }
}

fn write_side(
    f: &mut Formatter<'_>,
    series: &Series,
    side: fn(&Sample) -> &Latencies,
    ratio: Spread,
    aim: Option<f64>,
) -> Result {
    let of = |value: fn(&Latencies) -> f64| median(series.samples.iter().map(|s| value(side(s))));
    write!(
        f,
        "  p50 {:>6.2} p99 {:>7.2} ms",
        of(|latencies| latencies.p50_ms),
        of(|latencies| latencies.p99_ms)
    )?;
    let failed = of(|latencies| latencies.failed_share) * 100.0;
    if failed > 0.0 {
        write!(f, " {failed:.0} % fail")?;
    }
    if let Some(aim) = aim {
        let verdict = if ratio.median <= aim { "met" } else { "MISSED" };
        write!(
            f,
            " x{:.2} ({:.2}-{:.2}) {verdict}",
            ratio.median, ratio.lowest, ratio.highest
        )?;
    }
    Ok(())
}
