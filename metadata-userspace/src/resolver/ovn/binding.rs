//! Rows of `Port_Binding` and `Datapath_Binding`, as far as identity needs them.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::ovsdb::{Atom, Row, TableSpec};
use crate::identity::{MacAddr, Port};

pub(super) const PORTS: &str = "Port_Binding";
pub(super) const DATAPATHS: &str = "Datapath_Binding";

pub(super) const PORT_TABLE: TableSpec = TableSpec {
    name: PORTS,
    required: &["logical_port", "datapath", "chassis", "mac", "external_ids"],
    // Since OVN 20.09.
    optional: &["up"],
};

pub(super) const DATAPATH_TABLE: TableSpec = TableSpec {
    name: DATAPATHS,
    required: &["external_ids"],
    optional: &[],
};

/// Neutron calls its objects this in OVN (neutron/common/ovn/utils.py, `ovn_name`).
const NEUTRON_PREFIX: &str = "neutron-";

/// A port that is plugged in somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) datapath: Uuid,
    pub(super) chassis: Uuid,
    /// Its flows are there.
    pub(super) up: bool,
    pub(super) port: Arc<Port>,
}

impl Binding {
    /// `None`: no chassis has it, so that it cannot have sent anything. Its network
    /// is the datapath's.
    pub(super) fn of(row: &Row, network: impl Fn(Uuid) -> Option<Uuid>) -> Option<Self> {
        let datapath = row.reference("datapath")?;
        let (mac, addresses) = addresses(row);
        let id = |key| row.value("external_ids", key).unwrap_or_default().into();
        let port = Port {
            id: row.text("logical_port").to_owned(),
            network_id: network(datapath)
                .map(|id| id.to_string())
                .unwrap_or_default(),
            mac,
            addresses,
            device_id: id("neutron:device_id"),
            project_id: id("neutron:project_id"),
        };
        Some(Self {
            datapath,
            chassis: row.reference("chassis")?,
            up: row.boolean("up") == Some(true),
            port: Arc::new(port),
        })
    }
}

/// The entries of `mac` are `MAC ADDRESS…`, or words like `unknown` and `dynamic`.
/// Neutron's agent looks at the first only, and at nothing else when that is
/// `unknown` (LP 2150434). Neutron writes the fixed IPs into `external_ids` as well.
fn addresses(row: &Row) -> (Option<MacAddr>, Vec<IpAddr>) {
    let entries = row.set("mac").filter_map(Atom::text);
    let (mut mac, mut addresses) = (None, Vec::new());
    for word in entries.flat_map(str::split_ascii_whitespace) {
        match word.parse() {
            Ok(found) => mac = mac.or(Some(found)),
            Err(_) => addresses.extend(without_prefix(word)),
        }
    }
    if addresses.is_empty() {
        let cidrs = row
            .value("external_ids", "neutron:cidrs")
            .unwrap_or_default();
        addresses.extend(cidrs.split_ascii_whitespace().filter_map(without_prefix));
    }
    addresses.sort_unstable();
    addresses.dedup();
    (mac, addresses)
}

fn without_prefix(cidr: &str) -> Option<IpAddr> {
    cidr.split('/').next()?.parse().ok()
}

/// The network whose ports are in a datapath; `None` also for a router's.
pub(super) fn network(row: &Row) -> Option<Uuid> {
    if row.value("external_ids", "logical-router").is_some() {
        return None;
    }
    let name = row.value("external_ids", "name")?;
    Uuid::try_parse(name.strip_prefix(NEUTRON_PREFIX)?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resolver::ovn::testing;

    const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

    fn binding(row: Value) -> Option<Binding> {
        let id: Uuid = ID.parse().unwrap();
        Binding::of(&testing::row(PORT_TABLE, &row), |datapath| {
            (datapath == id).then_some(datapath)
        })
    }

    fn with_mac(mac: Value) -> Port {
        let row = json!({
            "logical_port": "p", "datapath": ["uuid", ID], "chassis": ["uuid", ID], "mac": mac,
            "external_ids": ["map", [["neutron:device_id", "d"], ["neutron:project_id", "x"],
                                     ["neutron:cidrs", "10.0.0.9/24 fd00::9/64"]]],
        });
        Port::clone(&binding(row).unwrap().port)
    }

    #[test]
    fn every_entry_is_read() {
        let port = with_mac(json!([
            "set",
            [
                "fa:16:3e:00:00:01 10.0.0.5",
                "fa:16:3e:00:00:01 fd00::5",
                "unknown"
            ]
        ]));
        assert_eq!(port.mac, "fa:16:3e:00:00:01".parse().ok());
        let addresses: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()];
        assert_eq!(port.addresses, addresses);
        assert_eq!((&*port.device_id, &*port.project_id), ("d", "x"));
        assert_eq!((port.id.as_str(), port.network_id.as_str()), ("p", ID));
    }

    #[test]
    fn a_port_without_addresses_has_those_that_neutron_gave_it() {
        for mac in [
            json!("unknown"),
            json!(["set", []]),
            json!("fa:16:3e:00:00:01 dynamic"),
        ] {
            let addresses: Vec<IpAddr> =
                vec!["10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap()];
            assert_eq!(with_mac(mac).addresses, addresses);
        }
        assert_eq!(with_mac(json!("unknown")).mac, None);
    }

    #[test]
    fn a_port_that_is_not_plugged_in_cannot_ask() {
        let unbound = json!({"logical_port": "p", "datapath": ["uuid", ID],
                             "mac": "fa:16:3e:00:00:01 10.0.0.5"});
        assert_eq!(binding(unbound), None);
    }

    #[test]
    fn networks_are_told_from_routers() {
        let datapath = |ids: Value| {
            let row = json!({"external_ids": ["map", ids]});
            network(&testing::row(DATAPATH_TABLE, &row))
        };
        let name = ["name".to_owned(), format!("neutron-{ID}")];
        let switch = ["logical-switch", ID];
        let router = ["logical-router", ID];
        assert_eq!(datapath(json!([name, switch])), ID.parse().ok());
        assert_eq!(datapath(json!([name, router])), None);
        assert_eq!(datapath(json!([["name", "join"], switch])), None);
    }
}
