//! Who this host is in OVN: what its own Open vSwitch says.

use std::sync::Arc;

use super::ovsdb::{Conditions, Replica, TableSpec, Touched, Watcher};
use super::shared::{Host, Shared};

const TABLE: &str = "Open_vSwitch";

pub(super) struct Local {
    shared: Arc<Shared>,
    conditions: Arc<Conditions>,
}

impl Local {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            conditions: Arc::default(),
        }
    }
}

impl Watcher for Local {
    fn database(&self) -> &'static str {
        "Open_vSwitch"
    }

    fn tables(&self) -> &'static [TableSpec] {
        &[TableSpec {
            name: TABLE,
            required: &["external_ids"],
            optional: &[],
        }]
    }

    fn conditions(&mut self) -> Arc<Conditions> {
        self.conditions.clone()
    }

    /// The host stays who it is.
    fn disconnected(&mut self, _reason: &str) {}

    fn changed(&mut self, replica: &Replica, _touched: &[Touched]) {
        let host = host(replica);
        if host.is_none() {
            tracing::warn!(
                "the local Open vSwitch has no external_ids:system-id; ovn-controller needs it, \
                 and without it Neutron is not told that this agent is alive"
            );
        }
        if self.shared.host.load().as_deref() != host.as_ref() {
            self.shared.host.store(host.map(Arc::new));
            self.shared.woken.notify_one();
        }
    }
}

/// neutron/agent/ovn/metadata/agent.py: `_get_own_chassis_name`, `_get_ovn_bridge`.
fn host(replica: &Replica) -> Option<Host> {
    let (_, row) = replica.rows(TABLE).next()?;
    let bridge = row.value("external_ids", "ovn-bridge").unwrap_or("br-int");
    Some(Host {
        chassis: row.value("external_ids", "system-id")?.to_owned(),
        bridge: bridge.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resolver::ovn::ovsdb::replica_of;

    fn says(ids: &[[&str; 2]]) -> Option<Host> {
        let mut local = Local::new(Arc::new(Shared::new()));
        let row = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
        let rows = json!({TABLE: {row: {"initial": {"external_ids": ["map", ids]}}}});
        local.changed(&replica_of(local.tables(), &rows), &[]);
        local.shared.host.load_full().map(|host| Host::clone(&host))
    }

    #[test]
    fn a_host_is_its_system_id() {
        let host = |bridge: &str| {
            Some(Host {
                chassis: "compute-1".into(),
                bridge: bridge.into(),
            })
        };
        assert_eq!(says(&[["system-id", "compute-1"]]), host("br-int"));
        let other = [["system-id", "compute-1"], ["ovn-bridge", "br-x"]];
        assert_eq!(says(&other), host("br-x"));
        assert_eq!(says(&[["hostname", "compute-1"]]), None);
    }
}
