//! What a storm came to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tally::Tally;
use super::wave::Fate;

/// Everything, with what it means.
#[derive(Clone, Debug, Serialize)]
pub(in crate::bench) struct Storm {
    pub(super) notes: &'static [&'static str],
    pub(super) routers: usize,
    pub(super) guests: usize,
    pub(super) spread_seconds: u64,
    pub(super) limit_seconds: u64,
    pub(super) runs: Vec<Figures>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) lane: &'static str,
    /// Seconds until half of the guests, 95 % of them and all had everything; nothing
    /// when they had it not within the limit.
    pub(super) half: Option<f64>,
    pub(super) most: Option<f64>,
    pub(super) all: Option<f64>,
    /// Crawls that cloud-init would have given up.
    pub(super) failed_crawls: u32,
    /// Guests that would have booted without their metadata.
    pub(super) stranded: usize,
    pub(super) tally: Tally,
    /// Seconds that a guest waited for an answer which it could use.
    pub(super) wait_p50: f64,
    pub(super) wait_p99: f64,
    /// Seconds of CPU time by process.
    pub(super) cpu: BTreeMap<String, f64>,
    /// When each guest that had everything had it.
    pub(super) complete: Vec<f64>,
}

impl Figures {
    pub(super) fn of(lane: &'static str, fates: Vec<Fate>, cpu: BTreeMap<String, f64>) -> Self {
        let guests = fates.len();
        let mut complete: Vec<f64> = fates.iter().filter_map(|fate| fate.complete).collect();
        complete.sort_by(f64::total_cmp);
        let when = |percent: usize| {
            let rank = (guests * percent).div_ceil(100).max(1);
            complete.get(rank - 1).copied()
        };
        let failed_crawls = fates.iter().map(|fate| fate.failed_crawls).sum();
        let stranded = fates.iter().filter(|fate| fate.is_stranded()).count();
        let (half, most, all) = (when(50), when(95), when(100));
        let mut tally = Tally::default();
        fates.into_iter().for_each(|fate| tally.add(fate.tally));
        tally.waits.sort_by(f64::total_cmp);
        let wait = |percent: usize| {
            let rank = (tally.waits.len() * percent).div_ceil(100).max(1);
            tally.waits.get(rank - 1).copied().unwrap_or_default()
        };
        Self {
            lane,
            half,
            most,
            all,
            failed_crawls,
            stranded,
            wait_p50: wait(50),
            wait_p99: wait(99),
            tally,
            cpu,
            complete,
        }
    }
}
