use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::proxy::latency_histogram;
use super::statuses::StatusCounters;

/// What the hop to Nova does.
#[derive(Clone, Debug)]
pub struct NovaMetrics {
    pub requests: StatusCounters,
    /// Until the head of the answer.
    pub latency: Histogram,
    /// Requests sent again because their pooled connection was dead.
    pub retries: Counter,
    pub connect_errors: Counter,
}

impl NovaMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: StatusCounters::new(),
            latency: latency_histogram(),
            retries: Counter::default(),
            connect_errors: Counter::default(),
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
        metrics
    }
}
