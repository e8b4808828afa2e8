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

/// Of a contender's own peak before the same generator, in the same round. At the lower
/// one hardly a request meets another.
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
    /// p99 under load to p99 without, in the same round.
    ratio: Spread,
}

/// Medians of the rounds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50_us: f64,
    p99_us: f64,
}

struct Round {
    name: &'static str,
    peak: Paced,
    unloaded: Paced,
    loaded: Paced,
}

/// # Errors
/// When a request fails.
pub(super) fn compare(contenders: &[Contender<'_>], plan: Plan) -> Result<Latency> {
    eprintln!("      keep-alive, {CONNECTIONS} connections, at a steady rate");
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        for contender in contenders {
            let peak = measure(contender, None, plan)?;
            let at = |part: f64| measure(contender, Some(peak.rate * part), plan);
            rounds.push(Round {
                name: contender.name,
                peak,
                unloaded: at(UNLOADED)?,
                loaded: at(LOADED)?,
            });
        }
    }
    let rows = contenders.iter().map(|contender| {
        let of_it = rounds.iter().filter(|round| round.name == contender.name);
        let ratios = of_it.clone();
        Row {
            name: contender.name,
            peak_per_second: median(of_it.clone().map(|round| round.peak.rate)),
            unloaded: Percentiles::of(of_it.clone().map(|round| &round.unloaded)),
            loaded: Percentiles::of(of_it.map(|round| &round.loaded)),
            ratio: Spread::of(ratios.map(|round| round.loaded.p99_us / round.unloaded.p99_us)),
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

fn measure(contender: &Contender<'_>, rate: Option<f64>, plan: Plan) -> Result<Paced> {
    stop::check()?;
    (contender.prepare)()?;
    let pace = Pace {
        connections: CONNECTIONS,
        rate,
        time: Duration::from_secs(plan.seconds),
    };
    let paced = pace::ask(contender.guest, pace);
    paced.with_context(|| format!("{} at a steady rate", contender.name))
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
