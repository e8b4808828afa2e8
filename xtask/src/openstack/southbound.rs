//! OVN's southbound database as Neutron's ML2/OVN driver and ovn-controller would
//! have filled it for the same networks and ports.

use std::net::IpAddr;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::addresses;
use super::cloud::{self, Instance, Networks, PlannedNetwork, Port};
use super::place::Place;
use super::services::ovn;
use crate::process;

/// `system-id` of the host, which is its chassis' name.
const CHASSIS: &str = addresses::HOST;
const MTU: u16 = 1442;

/// Fills both databases, after emptying them.
pub(super) fn fill(place: &Place) -> Result<()> {
    transact(place, ovn::SWITCH, &switch_operations())?;
    transact(place, ovn::SOUTHBOUND, &southbound_operations(place)?).map(drop)
}

/// The host's: it is a chassis, and has the bridge that ports are plugged into.
fn switch_operations() -> Value {
    json!([
        "Open_vSwitch",
        { "op": "delete", "table": "Open_vSwitch", "where": [] },
        { "op": "insert", "table": "Bridge", "uuid-name": "br",
          "row": { "name": "br-int" } },
        { "op": "insert", "table": "Open_vSwitch",
          // As if ovs-vswitchd had done whatever Neutron's agent will ask for.
          "row": { "cur_cfg": 1_000_000, "bridges": reference("br"), "external_ids": map(&[
              ("system-id", CHASSIS), ("ovn-bridge", "br-int"), ("hostname", CHASSIS),
          ]) } },
    ])
}

fn southbound_operations(place: &Place) -> Result<Value> {
    let mut operations = vec![json!("OVN_Southbound")];
    for table in [
        "Port_Binding",
        "Datapath_Binding",
        "Chassis_Private",
        "Chassis",
        "SB_Global",
    ] {
        operations.push(json!({ "op": "delete", "table": table, "where": [] }));
    }
    operations.extend(chassis());
    let networks = Networks::load(place)?;
    let instances = cloud::instances(place)?;
    for (index, planned) in cloud::planned_networks()?.iter().enumerate() {
        let id = networks.network(&planned.name)?;
        let datapath = Datapath {
            name: format!("network{index}"),
            network: id,
        };
        operations.push(datapath.insert(index + 1));
        operations.push(datapath.metadata_port(planned)?);
        let ports = instances.values().flat_map(|instance| {
            let ports = instance.ports.iter();
            ports.map(move |port| (instance, port))
        });
        let of_network = ports.filter(|(_, port)| port.network == planned.name);
        for (key, (instance, port)) in of_network.enumerate() {
            operations.push(datapath.port(key + 2, instance, port));
        }
    }
    Ok(Value::Array(operations))
}

fn chassis() -> [Value; 4] {
    [
        json!({ "op": "insert", "table": "SB_Global", "row": {} }),
        json!({ "op": "insert", "table": "Encap", "uuid-name": "encap",
                "row": { "type": "geneve", "ip": "127.0.0.1", "chassis_name": CHASSIS } }),
        json!({ "op": "insert", "table": "Chassis", "uuid-name": "chassis",
                "row": { "name": CHASSIS, "hostname": CHASSIS, "encaps": reference("encap") } }),
        json!({ "op": "insert", "table": "Chassis_Private",
                "row": { "name": CHASSIS, "chassis": reference("chassis") } }),
    ]
}

/// A logical switch.
struct Datapath<'a> {
    name: String,
    network: &'a str,
}

impl Datapath<'_> {
    fn insert(&self, key: usize) -> Value {
        let name = format!("neutron-{}", self.network);
        json!({ "op": "insert", "table": "Datapath_Binding", "uuid-name": self.name,
                "row": { "tunnel_key": key, "external_ids": map(&[
                    ("name", &name), ("logical-switch", self.network),
                ]) } })
    }

    fn port(&self, key: usize, instance: &Instance, port: &Port) -> Value {
        let words: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
        self.binding(
            key,
            &port.id,
            &format!("{} {}", port.mac, words.join(" ")),
            &json!({ "type": "", "chassis": reference("chassis"), "up": true }),
            &[
                ("neutron:device_id", &instance.uuid),
                ("neutron:device_owner", "compute:nova"),
                ("neutron:project_id", &instance.project_id),
                ("neutron:cidrs", &words.join(" ")),
            ],
        )
    }

    /// Neutron's `network:distributed` port, which every chassis has.
    fn metadata_port(&self, planned: &PlannedNetwork) -> Result<Value> {
        let subnet = planned.subnets.first().context("a network has no subnet")?;
        let (_, length) = subnet.cidr.split_once('/').context("no prefix length")?;
        let address = planned.metadata;
        let device = format!("ovnmeta-{}", self.network);
        Ok(self.binding(
            1,
            &format!("metadata-{}", planned.name),
            &format!("{} {address}", metadata_mac(address)?),
            &json!({ "type": "localport" }),
            &[
                ("neutron:device_id", &device),
                ("neutron:device_owner", "network:distributed"),
                ("neutron:cidrs", &format!("{address}/{length}")),
                ("neutron:mtu", &MTU.to_string()),
            ],
        ))
    }

    fn binding(
        &self,
        key: usize,
        port: &str,
        mac: &str,
        further: &Value,
        ids: &[(&str, &str)],
    ) -> Value {
        let mut row = json!({
            "logical_port": port, "datapath": reference(&self.name), "tunnel_key": key,
            "mac": mac, "external_ids": map(ids),
        });
        if let (Some(row), Some(further)) = (row.as_object_mut(), further.as_object()) {
            row.extend(further.clone());
        }
        json!({ "op": "insert", "table": "Port_Binding", "row": row })
    }
}

/// One that belongs to the address.
fn metadata_mac(address: IpAddr) -> Result<String> {
    let IpAddr::V4(address) = address else {
        bail!("the metadata port's address is {address}, not IPv4");
    };
    let octets = address.octets().map(|octet| format!("{octet:02x}"));
    Ok(format!("fa:16:{}", octets.join(":")))
}

fn reference(name: &str) -> Value {
    json!(["named-uuid", name])
}

fn map(pairs: &[(&str, &str)]) -> Value {
    json!(["map", pairs])
}

/// Says on which hosts a port is: bound to this one, or about to move to it, or neither.
pub(super) fn move_port(place: &Place, port: &str, is_here: bool, is_coming: bool) -> Result<()> {
    let select = json!({ "op": "select", "table": "Chassis", "columns": ["_uuid"],
                         "where": [["name", "==", CHASSIS]] });
    let answer = transact(place, ovn::SOUTHBOUND, &json!(["OVN_Southbound", select]))?;
    let uuid = answer
        .first()
        .and_then(|result| result.pointer("/rows/0/_uuid"));
    let uuid = uuid.context("there is no chassis")?;
    let here = |yes| json!(["set", if yes { vec![uuid] } else { Vec::new() }]);
    let update = json!({
        "op": "update", "table": "Port_Binding", "where": [["logical_port", "==", port]],
        "row": { "chassis": here(is_here), "additional_chassis": here(is_coming) },
    });
    transact(place, ovn::SOUTHBOUND, &json!(["OVN_Southbound", update])).map(drop)
}

fn transact(place: &Place, database: &str, operations: &Value) -> Result<Vec<Value>> {
    let mut client = Command::new("ovsdb-client");
    client.args([
        "transact",
        &ovn::remote(place, database),
        &operations.to_string(),
    ]);
    let answer = process::read(&mut client)?;
    let results: Vec<Value> = serde_json::from_str(&answer)?;
    let errors: Vec<&Value> = results
        .iter()
        .filter(|result| result.get("error").is_some())
        .collect();
    if !errors.is_empty() {
        bail!("{database} refuses the rows: {errors:?}");
    }
    Ok(results)
}
