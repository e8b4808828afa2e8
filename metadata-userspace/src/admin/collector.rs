//! The supervisor's view of the host as Prometheus metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::status::{HostState, ServingState};
use crate::worker::host_state::{HostStateDesk, Seen};

/// What the supervisor said last, encoded whenever metrics are. Nothing before it has said
/// anything.
#[derive(Clone, Debug)]
pub struct HostCollector(HostStateDesk);

impl HostCollector {
    pub fn new(desk: HostStateDesk) -> Self {
        Self(desk)
    }
}

impl Collector for HostCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(Seen { host, at }) = self.0.last() else {
            return Ok(());
        };
        encode_verdicts(&mut encoder, &host)?;
        encode_namespaces(&mut encoder, &host)?;
        let restarts = ConstCounter::new(host.worker.restarts);
        let help = "Workers that had to be replaced.";
        restarts.encode(encoder.encode_descriptor(
            "worker_restarts",
            help,
            None,
            MetricType::Counter,
        )?)?;
        let age = ConstGauge::new(at.elapsed().as_secs_f64());
        let help = "How old what the supervisor said of the host is; old when it does not answer.";
        age.encode(encoder.encode_descriptor(
            "host_state_age",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)
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
