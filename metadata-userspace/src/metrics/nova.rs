use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::latencies::Latencies;
use super::statuses::StatusCounters;

/// What the hop to Nova does.
#[derive(Clone, Debug)]
pub struct NovaMetrics {
    pub requests: StatusCounters,
    /// Until the head of the answer.
    pub latency: Latencies,
    /// Requests sent again because their pooled connection was dead.
    pub retries: Counter,
    pub connect_errors: Counter,
    /// Requests that got the answer to another one, which was under way.
    pub shared: Counter,
    /// Answers from memory within `response_ttl`.
    pub cached: Counter,
    /// Answers from memory because Nova gave none.
    pub stale: Counter,
}

impl NovaMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: StatusCounters::new(),
            latency: Latencies::default(),
            retries: Counter::default(),
            connect_errors: Counter::default(),
            shared: Counter::default(),
            cached: Counter::default(),
            stale: Counter::default(),
        };
        registry.register(
            "nova_requests",
            "Answers of nova-api-metadata by status",
            metrics.requests.family(),
        );
        registry.register_with_unit(
            "nova_latency",
            "Time from a request to the head of Nova's answer",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register(
            "nova_retries",
            "Requests sent again because their pooled connection was dead",
            metrics.retries.clone(),
        );
        registry.register(
            "nova_connect_errors",
            "Failed attempts to connect to nova-api-metadata",
            metrics.connect_errors.clone(),
        );
        registry.register(
            "nova_shared_answers",
            "Requests that got Nova's answer to the same request, which was under way",
            metrics.shared.clone(),
        );
        registry.register(
            "nova_cached_answers",
            "Requests that got an answer not older than response_ttl, without asking Nova",
            metrics.cached.clone(),
        );
        registry.register(
            "nova_stale_answers",
            "Requests that got Nova's last good answer, because Nova gave none",
            metrics.stale.clone(),
        );
        metrics
    }
}
