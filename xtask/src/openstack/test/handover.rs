//! A guest keeps asking while Neutron's agent takes our place, and we take its.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::combination::Combination;
use super::exchange;
use super::outcome::Outcome;
use super::request::Request;
use super::stage::Stage;
use crate::openstack::fabric;

/// Between two requests of the guest.
const INTERVAL: Duration = Duration::from_millis(20);
const LOST_BY_NEUTRON: usize = 1;
/// How long each of them serves before it goes.
const SERVES: Duration = Duration::from_secs(2);

/// What the guest saw.
#[derive(Debug, Serialize)]
pub(super) struct Handover {
    between: String,
    /// How often it saw which status, or what else.
    seen: BTreeMap<String, usize>,
    /// The longest time without a 200 while Neutron's agent came.
    gap_to_neutron: Duration,
    /// And while ours came back.
    gap_to_ours: Duration,
}

impl Handover {
    /// From ours to Neutron's hops and back.
    pub(super) fn try_with(stage: &mut Stage, ours: Combination) -> Result<Self> {
        let neutron = ours.reference();
        stage.set(ours)?;
        let done = AtomicBool::new(false);
        let (back, seen) = thread::scope(|scope| {
            let guest = scope.spawn(|| keep_asking(&done));
            let back = there_and_back(stage, neutron, ours);
            done.store(true, Ordering::Relaxed);
            let seen = guest.join().map_err(|_| anyhow!("the guest panicked"))?;
            anyhow::Ok((back?, seen?))
        })?;
        let (there, here) = seen.split_at(seen.partition_point(|(at, _)| *at < back));
        Ok(Self {
            between: format!("{ours} and {neutron}"),
            gap_to_neutron: longest_gap(there),
            gap_to_ours: longest_gap(here),
            seen: count(&seen),
        })
    }

    /// While nobody listens at the agent's socket haproxy says 503, after which
    /// cloud-init asks again. The request that Neutron's agent was answering when it
    /// was ended becomes haproxy's 502; ours finishes what it began.
    pub(super) fn is_clean(&self) -> bool {
        let lost = self
            .seen
            .iter()
            .filter(|(what, _)| !["200", "503"].contains(&what.as_str()));
        lost.map(|(_, count)| count).sum::<usize>() <= LOST_BY_NEUTRON
    }
}

/// Returns when the way back began.
fn there_and_back(stage: &mut Stage, neutron: Combination, ours: Combination) -> Result<Instant> {
    sleep(SERVES);
    stage.set(neutron)?;
    sleep(SERVES);
    let back = Instant::now();
    stage.set(ours)?;
    sleep(SERVES);
    Ok(back)
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen.iter();
        let counts: Vec<String> = seen
            .map(|(what, count)| format!("{count} x {what}"))
            .collect();
        let (between, counts) = (&self.between, counts.join(", "));
        write!(
            f,
            "{between}: {counts}; without a 200 for {:.1?} while Neutron's came, {:.1?} while ours",
            self.gap_to_neutron, self.gap_to_ours
        )
    }
}

fn keep_asking(done: &AtomicBool) -> Result<Vec<(Instant, Outcome)>> {
    let request = Request::get("hand-over", "/latest/meta-data/hostname");
    let guest = fabric::guest(request.guest);
    let mut seen = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let (outcome, _) = exchange::exchange(&guest, &request)?;
        seen.push((Instant::now(), outcome));
        sleep(INTERVAL);
    }
    Ok(seen)
}

fn status(outcome: &Outcome) -> String {
    match outcome.answer() {
        Some(answer) => answer.status.to_string(),
        None => outcome.to_string(),
    }
}

fn count(seen: &[(Instant, Outcome)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, outcome) in seen {
        *counts.entry(status(outcome)).or_default() += 1;
    }
    counts
}

fn longest_gap(seen: &[(Instant, Outcome)]) -> Duration {
    let served: Vec<Instant> = seen
        .iter()
        .filter(|(_, outcome)| status(outcome) == "200")
        .map(|(at, _)| *at)
        .collect();
    let gaps = served.iter().zip(served.iter().skip(1));
    gaps.map(|(before, after)| *after - *before)
        .max()
        .unwrap_or_default()
}
