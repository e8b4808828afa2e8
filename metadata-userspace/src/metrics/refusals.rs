use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Metric;

/// Why a guest was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It held too many connections, and was told so.
    Connections,
    /// It held many more: the connection was closed at once.
    Flood,
    /// It made too many requests in a time: 429.
    Rate,
    /// An IPv6 guest that no instance is known for: the connection was closed
    /// without an answer.
    Unanswered,
}

/// Counts them.
#[derive(Clone, Debug)]
pub struct Refusals {
    connections: Counter,
    flood: Counter,
    rate: Counter,
    unanswered: Counter,
    family: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        let family = Family::<[(&str, &str); 1], Counter>::default();
        let reason = |reason| family.get_or_create_owned(&[("reason", reason)]);
        Self {
            connections: reason("connections"),
            flood: reason("flood"),
            rate: reason("rate"),
            unanswered: reason("unanswered"),
            family: family.clone(),
        }
    }

    pub(super) fn family(&self) -> impl Metric + use<> {
        self.family.clone()
    }

    pub fn count(&self, why: Refusal) {
        match why {
            Refusal::Connections => &self.connections,
            Refusal::Flood => &self.flood,
            Refusal::Rate => &self.rate,
            Refusal::Unanswered => &self.unanswered,
        }
        .inc();
    }

    /// By reason.
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        let counters = [
            ("connections", &self.connections),
            ("flood", &self.flood),
            ("rate", &self.rate),
            ("unanswered", &self.unanswered),
        ];
        let counted = |(reason, counter): (&str, &Counter)| (reason.to_owned(), counter.get());
        counters.map(counted).into()
    }
}
