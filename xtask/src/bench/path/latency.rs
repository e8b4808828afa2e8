//! How long answers take at a part of the rate that a contender can do.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::pace::{self, Pace, Paced};
use crate::bench::rounds::{Contender, Plan};
use crate::bench::statistics::{Spread, median};
use crate::stop;

const CONNECTIONS: usize = 64;

/// Of a contender's own peak. At the lower one hardly a request meets another.
const UNLOADED: f64 = 0.05;
const LOADED: f64 = 0.8;

/// How many times the p99 without load it may be.
const AIM: f64 = 2.0;

/// Every contender at both rates.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    connections: usize,
    unloaded: f64,
    loaded: f64,
    aim: f64,
    contenders: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    peak_per_second: f64,
    unloaded: Percentiles,
    loaded: Percentiles,
    /// p99 under load, of the p99 without, in the same round.
    ratio: Spread,
}

/// Medians of the rounds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50_us: f64,
    p99_us: f64,
}

/// `peaks` are the contenders', in their order.
///
/// # Errors
/// When a request fails.
pub(super) fn compare(contenders: &[Contender<'_>], peaks: &[f64], plan: Plan) -> Result<Latency> {
    eprintln!("      keep-alive, {CONNECTIONS} connections, at a steady rate");
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        for (contender, peak) in contenders.iter().zip(peaks) {
            let at = |part: f64| measure(contender, peak * part, plan);
            rounds.push((contender.name, at(UNLOADED)?, at(LOADED)?));
        }
    }
    let rows = contenders.iter().zip(peaks).map(|(contender, peak)| {
        let of_it = rounds.iter().filter(|(name, ..)| *name == contender.name);
        Row {
            name: contender.name,
            peak_per_second: *peak,
            unloaded: Percentiles::of(of_it.clone().map(|(_, unloaded, _)| unloaded)),
            loaded: Percentiles::of(of_it.clone().map(|(.., loaded)| loaded)),
            ratio: Spread::of(of_it.map(|(_, unloaded, loaded)| loaded.p99_us / unloaded.p99_us)),
        }
    });
    Ok(Latency {
        connections: CONNECTIONS,
        unloaded: UNLOADED,
        loaded: LOADED,
        aim: AIM,
        contenders: rows.collect(),
    })
}

fn measure(contender: &Contender<'_>, rate: f64, plan: Plan) -> Result<Paced> {
    stop::check()?;
    (contender.prepare)()?;
    let pace = Pace {
        connections: CONNECTIONS,
        rate,
        time: Duration::from_secs(plan.seconds),
    };
    let paced = pace::ask(contender.guest, pace);
    paced.with_context(|| format!("{} at {rate:.0} requests a second", contender.name))
}

impl Percentiles {
    fn of<'a>(rounds: impl Iterator<Item = &'a Paced> + Clone) -> Self {
        Self {
            p50_us: median(rounds.clone().map(|paced| paced.p50_us)),
            p99_us: median(rounds.map(|paced| paced.p99_us)),
        }
    }
}

impl Display for Latency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n-- keep-alive, {} connections, at a steady rate; from when a request is due",
            self.connections
        )?;
        writeln!(
            f,
            "{:<26}{:>9}{:>18}{:>18}   p99 at {:.0} % / at {:.0} %",
            "",
            "peak/s",
            format!("{:.0} %: p50 p99 µs", self.unloaded * 100.0),
            format!("{:.0} %: p50 p99 µs", self.loaded * 100.0),
            self.loaded * 100.0,
            self.unloaded * 100.0,
        )?;
        self.contenders.iter().try_for_each(|row| {
            let verdict = match row.ratio.median <= self.aim {
                true => "met",
                false => "MISSED",
            };
            writeln!(
                f,
                "{:<26}{:>9.0}{:>9.0}{:>9.0}{:>9.0}{:>9.0}   {:.2} ({:.2} to {:.2}), aim {}: {verdict}",
                row.name,
                row.peak_per_second,
                row.unloaded.p50_us,
                row.unloaded.p99_us,
                row.loaded.p50_us,
                row.loaded.p99_us,
                row.ratio.median,
                row.ratio.lowest,
                row.ratio.highest,
                self.aim,
            )
        })
    }
}
