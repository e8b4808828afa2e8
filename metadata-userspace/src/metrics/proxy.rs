use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::latencies::Latencies;
use super::refusals::Refusals;
use super::statuses::StatusCounters;

/// What guests see.
#[derive(Clone, Debug)]
pub struct ProxyMetrics {
    pub requests: StatusCounters,
    /// From the request's head to the last byte of the answer.
    pub duration: Latencies,
    pub connections: Gauge,
    pub refused: Refusals,
    /// `100 Continue` to guests whose requests wait.
    pub interim: Counter,
}

impl ProxyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: StatusCounters::new(),
            duration: Latencies::default(),
            connections: Gauge::default(),
            refused: Refusals::new(),
            interim: Counter::default(),
        };
        registry.register(
            "proxy_requests",
            "Answers to guests by status",
            metrics.requests.family(),
        );
        registry.register_with_unit(
            "proxy_request_duration",
            "Time from a guest's request head to the last byte of the answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "proxy_connections",
            "Open connections of guests",
            metrics.connections.clone(),
        );
        registry.register(
            "proxy_refused",
            "Connections and requests of guests that were refused, by reason",
            metrics.refused.family(),
        );
        registry.register(
            "proxy_interim_answers",
            "Interim answers (100 Continue) to guests whose requests wait",
            metrics.interim.clone(),
        );
        metrics
    }
}
