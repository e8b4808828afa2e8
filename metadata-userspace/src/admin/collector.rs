//! The supervisor's view of the host as Prometheus metrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::status::{HostState, ServingState};

/// The latest [`HostState`], encoded whenever metrics are.
#[derive(Clone, Debug, Default)]
pub struct HostCollector(Arc<Mutex<HostState>>);

impl HostCollector {
    pub fn set(&self, state: HostState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Collector for HostCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let state = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        encode_verdicts(&mut encoder, &state)?;
        encode_namespaces(&mut encoder, &state)?;
        let restarts = ConstCounter::new(state.worker.restarts);
        let help = "Workers that had to be replaced.";
        let encoder =
            encoder.encode_descriptor("worker_restarts", help, None, MetricType::Counter)?;
        restarts.encode(encoder)
    }
}

fn encode_verdicts(encoder: &mut DescriptorEncoder<'_>, state: &HostState) -> std::fmt::Result {
    let help = "Packets by what the programs in the kernel decided.";
    let mut family =
        encoder.encode_descriptor("datapath_packets", help, None, MetricType::Counter)?;
    for (verdict, count) in &state.verdicts {
        let labels = [("verdict", verdict.as_str())];
        ConstCounter::new(count.packets).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_namespaces(encoder: &mut DescriptorEncoder<'_>, state: &HostState) -> std::fmt::Result {
    let help = "Namespaces by whether they are served.";
    let mut family = encoder.encode_descriptor("namespaces", help, None, MetricType::Gauge)?;
    for (name, wanted) in [
        ("serving", ServingState::Serving),
        ("standby", ServingState::Standby),
        ("idle", ServingState::Idle),
        ("released", ServingState::Released),
        ("failed", ServingState::Failed),
    ] {
        let count = state
            .namespaces
            .iter()
            .filter(|namespace| namespace.state == wanted)
            .count();
        let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        count.encode(family.encode_family(&[("state", name)])?)?;
    }
    Ok(())
}
