//! Counting answers by status without a lock on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hyper::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Answers by status.
pub type StatusCounts = BTreeMap<String, u64>;

/// StatusCode promises 100..=999.
const FIRST: u16 = 100;
const STATUSES: usize = 900;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    status: u16,
}

/// A counter for each status that occurred.
#[derive(Clone, Debug)]
pub struct StatusCounters {
    family: Family<Label, Counter>,
    /// A family is a locked hash table; a status that was seen once is counted
    /// by its own atomic.
    seen: Arc<[OnceLock<Counter>]>,
}

impl StatusCounters {
    pub(super) fn new() -> Self {
        Self {
            family: Family::default(),
            seen: (0..STATUSES).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(super) fn family(&self) -> impl prometheus_client::registry::Metric + use<> {
        self.family.clone()
    }

    pub fn count(&self, status: StatusCode) {
        let status = status.as_u16();
        if let Some(seen) = self.seen.get(usize::from(status.saturating_sub(FIRST))) {
            seen.get_or_init(|| self.family.get_or_create_owned(&Label { status }))
                .inc();
        }
    }

    pub fn snapshot(&self) -> StatusCounts {
        (FIRST..)
            .zip(self.seen.iter())
            .filter_map(|(status, seen)| {
                seen.get()
                    .map(|counter| (status.to_string(), counter.get()))
            })
            .collect()
    }
}
