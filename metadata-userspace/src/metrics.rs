//! Counters of the worker: as Prometheus text and as a snapshot for `status`.

mod agent;
mod latencies;
mod nova;
mod proxy;
mod refusals;
mod statuses;

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use crate::dependencies::{Dependencies, DependencyState};
pub use agent::{AgentMetrics, Outcome};
pub use latencies::Latencies;
pub use nova::NovaMetrics;
pub use proxy::ProxyMetrics;
pub use refusals::{Refusal, Refusals};
pub use statuses::{StatusCounters, StatusCounts};

/// All metrics of a process. Clones of the parts count into the same numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub proxy: ProxyMetrics,
    pub agent: AgentMetrics,
    pub nova: NovaMetrics,
    pub dependencies: Dependencies,
}

/// What `metadatad status` shows of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Answers to guests by status.
    pub requests: StatusCounts,
    /// Answers on the agent's unix socket by status.
    pub socket_requests: StatusCounts,
    /// Answers of Nova by status.
    pub nova_requests: StatusCounts,
    /// Answers to guests that cost Nova no request of their own.
    pub nova_spared: Spared,
    /// Guests' connections open now.
    pub connections_open: i64,
    /// Connections and requests of guests that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// What the daemon depends on.
    pub dependencies: BTreeMap<String, DependencyState>,
}

/// Answers that Nova was not asked for, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spared {
    /// The same request was under way.
    pub shared: u64,
    /// Within `response_ttl`.
    pub cached: u64,
    /// Nova's last good answer, because it gave none.
    pub stale: u64,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("metadatad");
        Self {
            proxy: ProxyMetrics::register(&mut registry),
            agent: AgentMetrics::register(&mut registry),
            nova: NovaMetrics::register(&mut registry),
            dependencies: Dependencies::register(&mut registry),
            registry,
        }
    }

    /// Adds what this process does not count itself.
    pub fn collect(&mut self, collector: Box<dyn Collector>) {
        self.registry.register_collector(collector);
    }

    /// OpenMetrics text, for Prometheus.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub fn totals(&self) -> Totals {
        Totals {
            requests: self.proxy.requests.snapshot(),
            socket_requests: self.agent.socket_requests.snapshot(),
            nova_requests: self.nova.requests.snapshot(),
            nova_spared: Spared {
                shared: self.nova.shared.get(),
                cached: self.nova.cached.get(),
                stale: self.nova.stale.get(),
            },
            connections_open: self.proxy.connections.get(),
            refused: self.proxy.refused.snapshot(),
            dependencies: self.dependencies.snapshot(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use hyper::StatusCode;

    #[test]
    fn what_is_counted_is_shown_both_ways() {
        let metrics = Metrics::new();
        metrics.proxy.requests.count(StatusCode::OK);
        metrics.proxy.requests.count(StatusCode::OK);
        metrics.proxy.requests.count(StatusCode::NOT_FOUND);
        metrics.agent.count(Outcome::Unknown);
        let text = metrics.encode().unwrap();
        for line in [
            "metadatad_proxy_requests_total{status=\"200\"} 2",
            "metadatad_proxy_requests_total{status=\"404\"} 1",
            "metadatad_agent_resolutions_total{outcome=\"unknown\"} 1",
            "metadatad_nova_retries_total 0",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        let requests = metrics.totals().requests;
        assert_eq!(
            requests.into_iter().collect::<Vec<_>>(),
            [("200".to_owned(), 2), ("404".to_owned(), 1)]
        );
    }
}
