//! Neutron's ports as its server's `get_ports` takes and gives them.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::identity::Port;
use crate::resolver::source::PortQuery;

/// neutron_lib's `ROUTER_INTERFACE_OWNERS`: no gateways.
const ROUTER_INTERFACE_OWNERS: [&str; 3] = [
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
];

/// The result is not a list of ports.
#[derive(Debug, thiserror::Error)]
#[error("its answer is no list of ports: {0}")]
pub(super) struct NotPorts(#[from] serde_json::Error);

/// Arguments that ask for the internal interfaces of a router.
pub(super) fn of_router(router: &str) -> Value {
    json!({"filters": {"device_id": [router], "device_owner": ROUTER_INTERFACE_OWNERS}})
}

/// Arguments that ask for what `query` wants.
pub(super) fn of_networks(query: &PortQuery) -> Value {
    let mut filters = Map::new();
    filters.insert("network_id".to_owned(), json!(query.networks));
    if !query.addresses.is_empty() {
        let addresses = json!({"ip_address": query.addresses});
        filters.insert("fixed_ips".to_owned(), addresses);
    }
    json!({"filters": filters})
}

/// The networks that the ports are in, each once.
pub(super) fn networks(result: Value) -> Result<Vec<String>, NotPorts> {
    #[derive(Deserialize)]
    struct Interface {
        network_id: String,
    }
    let interfaces: Vec<Interface> = serde_json::from_value(result)?;
    let mut networks: Vec<_> = interfaces
        .into_iter()
        .map(|interface| interface.network_id)
        .collect();
    networks.sort_unstable();
    networks.dedup();
    Ok(networks)
}

/// The ports in a result.
pub(super) fn ports(result: Value) -> Result<Vec<Port>, NotPorts> {
    let records: Vec<Record> = serde_json::from_value(result)?;
    Ok(records.into_iter().map(Record::into_port).collect())
}

/// A port, of which Neutron tells much more.
#[derive(Deserialize)]
struct Record {
    id: String,
    network_id: String,
    #[serde(default)]
    mac_address: Option<String>,
    #[serde(default)]
    fixed_ips: Vec<FixedIp>,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    project_id: Option<String>,
    /// The project's name in old releases.
    #[serde(default)]
    tenant_id: Option<String>,
}

#[derive(Deserialize)]
struct FixedIp {
    ip_address: IpAddr,
}

impl Record {
    fn into_port(self) -> Port {
        let project = self.project_id.or(self.tenant_id);
        Port {
            id: self.id,
            network_id: self.network_id,
            mac: self.mac_address.and_then(|mac| mac.parse().ok()),
            addresses: self.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
            device_id: self.device_id.unwrap_or_default().into(),
            project_id: project.unwrap_or_default().into(),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn routers_are_asked_for_by_their_internal_interfaces() {
        let owners = [
            "network:router_interface",
            "network:ha_router_replicated_interface",
            "network:router_interface_distributed",
        ];
        let expected = json!({"filters": {"device_id": ["r"], "device_owner": owners}});
        assert_eq!(of_router("r"), expected);
    }

    #[test]
    fn addresses_narrow_the_question() {
        let mut query = PortQuery {
            networks: vec!["n".into()],
            addresses: Vec::new(),
        };
        assert_eq!(
            of_networks(&query),
            json!({"filters": {"network_id": ["n"]}})
        );
        query.addresses = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let filters = json!({"network_id": ["n"],
                             "fixed_ips": {"ip_address": ["10.0.0.1", "fd00::1"]}});
        assert_eq!(of_networks(&query), json!({"filters": filters}));
    }

    #[test]
    fn ports_are_read_from_what_neutron_tells() {
        let result = json!([
            {"id": "p", "network_id": "n", "mac_address": "fa:16:3e:00:00:01",
             "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.5"},
                           {"subnet_id": "t", "ip_address": "fd00::5"}],
             "device_id": "i", "device_owner": "compute:nova", "project_id": "t",
             "tenant_id": "t", "status": "ACTIVE", "binding:profile": {}},
            {"id": "q", "network_id": "n", "mac_address": "00:00:00:00:00:00:00:01",
             "fixed_ips": [], "device_id": "", "tenant_id": "old"},
        ]);
        let read = ports(result).unwrap();
        assert_eq!(
            read[0],
            Port {
                id: "p".into(),
                network_id: "n".into(),
                mac: Some("fa:16:3e:00:00:01".parse().unwrap()),
                addresses: vec!["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()],
                device_id: "i".into(),
                project_id: "t".into(),
            }
        );
        // An InfiniBand address is no MAC of Ethernet.
        assert_eq!(read[1].mac, None);
        assert_eq!(&*read[1].project_id, "old");
    }

    #[test]
    fn networks_of_a_router_come_once_each() {
        let result = json!([{"network_id": "b"}, {"network_id": "a"}, {"network_id": "b"}]);
        assert_eq!(networks(result).unwrap(), ["a", "b"]);
    }

    #[test]
    fn other_results_are_refused() {
        for result in [
            Value::Null,
            json!({}),
            json!([1]),
            json!([{"id": "p"}]),
            json!([{"id": "p", "network_id": "n", "fixed_ips": [{"ip_address": "x"}]}]),
        ] {
            assert!(ports(result.clone()).is_err(), "{result}");
        }
    }
}
