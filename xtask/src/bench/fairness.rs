//! Whether a guest that floods takes others' share: its neighbour on the same router,
//! and a guest behind another.

mod crowd;
mod flood;
mod lanes;
mod probe;
mod rates;
mod syns;
mod table;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use self::flood::Flood;
use self::lanes::Lane;
use self::probe::Latencies;
use super::nginx::Upstream;
use super::rounds::Plan;
use super::statistics::Spread;
use crate::stop;

/// How much longer others' slowest hundredth may take than without a flood.
pub(super) const AIM_NEIGHBOUR: f64 = 2.0;
pub(super) const AIM_ELSEWHERE: f64 = 1.2;

/// A flood runs for so long before it is measured, and its end is waited for as long.
const SETTLE: Duration = Duration::from_millis(500);

const NOTES: &[&str] = &[
    "two routers; on one a guest floods, its neighbour on the same network asks 100 times a \
     second, each time on a new connection; a guest behind the other router does the same",
    "a latency is counted from the time at which the request was due, so that no wait hides \
     behind another; what fails or takes longer than 5 s counts as 5 s",
    "the flood shares the processors: its threads have the lowest priority, all kinds but \
     `requests` and `large bodies` a fixed rate, and those two a ceiling",
    "iptables + haproxy: a haproxy for each router, Neutron's rules and configuration",
];

/// Latencies under one flood, of one contender in one round.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    neighbour: Latencies,
    elsewhere: Latencies,
    /// What the flood did, by its own count.
    flood_per_second: f64,
}

/// All rounds of a contender under one flood.
#[derive(Clone, Debug, Serialize)]
struct Series {
    name: &'static str,
    samples: Vec<Sample>,
    /// Of the 99th percentiles to those without a flood in the same round.
    neighbour_ratio: Spread,
    elsewhere_ratio: Spread,
}

/// Every contender under one flood.
#[derive(Clone, Debug, Serialize)]
struct Case {
    flood: &'static str,
    series: Vec<Series>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fairness {
    notes: &'static [&'static str],
    cases: Vec<Case>,
}

/// # Errors
/// When a contender cannot be made, or gives no answer before any flood.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<Fairness> {
    let upstream = Upstream::start()?;
    let lanes = lanes::all(binary, &upstream)?;
    for lane in &lanes {
        lane.check()?;
    }
    // By lane, by flood, by round.
    let mut measured: Vec<Vec<Vec<Sample>>> = vec![vec![Vec::new(); Flood::ALL.len()]; lanes.len()];
    for round in 0..plan.rounds {
        for (flood, number) in Flood::ALL.iter().zip(0..) {
            eprintln!("      round {}, {}", round + 1, flood.name());
            for (lane, of_lane) in lanes.iter().zip(&mut measured) {
                stop::check()?;
                let samples: Option<&mut Vec<Sample>> = of_lane.get_mut::<usize>(number);
                let sample = measure(lane, *flood, plan.seconds)?;
                samples.context("a flood without a place")?.push(sample);
            }
        }
    }
    Ok(Fairness {
        notes: NOTES,
        cases: cases(&lanes, &measured),
    })
}

fn measure(lane: &Lane, flood: Flood, seconds: u64) -> Result<Sample> {
    lane.prepare()?;
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let sample = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood.run(&lane.flooder, &over, &done));
        thread::sleep(SETTLE);
        let before = done.load(Ordering::Relaxed);
        let neighbour = scope.spawn(|| probe::ask(&lane.neighbour, seconds));
        let elsewhere = scope.spawn(|| probe::ask(&lane.elsewhere, seconds));
        let neighbour = neighbour.join().map_err(|_| anyhow!("a probe panicked"));
        let elsewhere = elsewhere.join().map_err(|_| anyhow!("a probe panicked"));
        let count = done.load(Ordering::Relaxed) - before;
        over.store(true, Ordering::Relaxed);
        flooding
            .join()
            .map_err(|_| anyhow!("the flood panicked"))??;
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let flood_per_second = count as f64 / seconds as f64;
        anyhow::Ok(Sample {
            neighbour: neighbour??,
            elsewhere: elsewhere??,
            flood_per_second,
        })
    });
    thread::sleep(SETTLE);
    sample
}

fn cases(lanes: &[Lane], measured: &[Vec<Vec<Sample>>]) -> Vec<Case> {
    let of_flood = |(number, flood): (usize, &Flood)| Case {
        flood: flood.name(),
        series: lanes
            .iter()
            .zip(measured)
            .filter_map(|(lane, floods)| {
                // Flood::ALL begins with none.
                Some(series(lane.name, floods.first()?, floods.get(number)?))
            })
            .collect(),
    };
    Flood::ALL.iter().enumerate().map(of_flood).collect()
}

fn series(name: &'static str, without: &[Sample], with: &[Sample]) -> Series {
    let ratio = |of: fn(&Sample) -> &Latencies| {
        let pairs = with.iter().zip(without);
        Spread::of(pairs.map(move |(with, without)| of(with).p99_ms / of(without).p99_ms))
    };
    Series {
        name,
        neighbour_ratio: ratio(|sample| &sample.neighbour),
        elsewhere_ratio: ratio(|sample| &sample.elsewhere),
        samples: with.to_vec(),
    }
}
