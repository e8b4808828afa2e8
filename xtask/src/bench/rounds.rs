//! Interleaved rounds: A, B, C, A, B, C … so that a disturbance of the machine
//! meets every contender.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::load::{Generator, Load, Workload};
use super::nginx;
use super::statistics::{Spread, median};
use super::usage::{self, MachineTime};
use crate::lab::guest::Guest;
use crate::stop;

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    /// Of each run.
    pub(super) seconds: u64,
}

/// One of the things that are compared.
pub(super) struct Contender<'a> {
    pub(super) name: &'static str,
    /// Who asks it.
    pub(super) guest: &'a Guest,
    /// Whose CPU time is counted, descendants included, and under which name.
    pub(super) processes: Vec<(&'static str, u32)>,
    /// Called before each run.
    pub(super) prepare: Box<dyn Fn() -> Result<()> + 'a>,
}

/// One run of a contender; times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    /// Successful ones.
    pub(super) requests_per_second: f64,
    /// Of all requests, from 0 to 1.
    pub(super) failed_share: f64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    /// Of the whole machine for each request, the load generator's included.
    pub(super) machine_us: f64,
    /// The part of it that is not accounted to any process.
    pub(super) softirq_us: f64,
    /// Of processes for each request.
    pub(super) process_us: BTreeMap<&'static str, f64>,
}

/// All runs of a contender.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) samples: Vec<Sample>,
}

/// Every contender under the same workload.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) workload: Workload,
    pub(super) series: Vec<Series>,
}

/// Runs all contenders by turns, each once before it counts.
///
/// # Errors
/// When a contender gives a wrong answer or fails a request.
pub(super) fn compare(
    contenders: &[Contender<'_>],
    workload: Workload,
    plan: Plan,
) -> Result<Comparison> {
    eprintln!("      {}", workload.describe());
    let generator = Generator::new()?;
    let mut series: Vec<Series> = Vec::new();
    for contender in contenders {
        check_answer(contender)?;
        measure(&generator, contender, workload, 1)?;
        series.push(Series {
            name: contender.name,
            samples: Vec::new(),
        });
    }
    for _ in 0..plan.rounds {
        for (contender, series) in contenders.iter().zip(&mut series) {
            series
                .samples
                .push(measure(&generator, contender, workload, plan.seconds)?);
        }
    }
    Ok(Comparison { workload, series })
}

fn check_answer(contender: &Contender<'_>) -> Result<()> {
    let response = contender
        .guest
        .get("/openstack/latest/meta_data.json")
        .with_context(|| format!("{} gives no answer", contender.name))?;
    ensure!(
        response.status == 200 && response.text() == nginx::answer(),
        "{} gives the wrong answer: status {}: {}",
        contender.name,
        response.status,
        response.text()
    );
    Ok(())
}

fn measure(
    generator: &Generator,
    contender: &Contender<'_>,
    workload: Workload,
    seconds: u64,
) -> Result<Sample> {
    stop::check()?;
    (contender.prepare)()?;
    let now = || Times::now(contender).with_context(|| format!("{} ended", contender.name));
    let before = now()?;
    let run = generator.run(contender.guest, workload, seconds);
    stop::check()?;
    let load = run.with_context(|| format!("{}: {}", contender.name, workload.describe()))?;
    Ok(now()?.since(&before, &load))
}

struct Times {
    machine: MachineTime,
    processes: BTreeMap<&'static str, f64>,
}

impl Times {
    fn now(contender: &Contender<'_>) -> Result<Self> {
        let processes = contender.processes.iter();
        Ok(Self {
            machine: usage::machine_time()?,
            processes: processes
                .map(|(name, pid)| Ok((*name, usage::cpu_time(*pid)?)))
                .collect::<Result<_>>()?,
        })
    }

    fn since(&self, before: &Self, load: &Load) -> Sample {
        let each = |after: f64, before: f64| (after - before) / load.requests;
        let used = |(name, after): (&&'static str, &f64)| {
            let before = before.processes.get(name).unwrap_or(&0.0);
            (*name, each(*after, *before))
        };
        Sample {
            requests_per_second: load.rate(),
            failed_share: load.failed_share(),
            p50_us: load.p50_us,
            p90_us: load.p90_us,
            p99_us: load.p99_us,
            machine_us: each(self.machine.busy, before.machine.busy),
            softirq_us: each(self.machine.softirq, before.machine.softirq),
            process_us: self.processes.iter().map(used).collect(),
        }
    }
}

impl Series {
    pub(super) fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value))
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = &'static str> {
        self.samples
            .iter()
            .take(1)
            .flat_map(|sample| sample.process_us.keys().copied())
    }

    pub(super) fn rate(&self) -> f64 {
        self.median(|sample| sample.requests_per_second)
    }
}

impl Comparison {
    /// Rates of one contender relative to another's in the same round: a
    /// disturbance that lasts longer than a round cancels out.
    pub(super) fn ratio(&self, of: &str, to: &str) -> Option<Spread> {
        let find = |name: &str| self.series.iter().find(|series| series.name == name);
        let (of, to) = (find(of)?, find(to)?);
        let pairs = of.samples.iter().zip(&to.samples);
        Some(Spread::of(pairs.map(|(of, to)| {
            of.requests_per_second / to.requests_per_second
        })))
    }
}
