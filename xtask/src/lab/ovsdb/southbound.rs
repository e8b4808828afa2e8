//! What Neutron and OVN write into the southbound database.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::OvsdbServer;
use crate::lab::unique;

/// A network and the datapath that OVN made for it.
#[derive(Clone, Debug)]
pub struct Network {
    pub id: String,
    datapath: String,
}

/// A port of an instance.
#[derive(Clone, Debug)]
pub struct Port<'a> {
    pub address: &'a str,
    pub mac: &'a str,
    pub device: &'a str,
    pub project: &'a str,
    /// UUID in `Chassis`; not bound when there is none.
    pub chassis: Option<&'a str>,
}

impl OvsdbServer {
    /// A logical switch as ovn-northd writes it.
    ///
    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn add_network(&self) -> Result<Network> {
        let id = unique::uuid()?;
        let ids = json!([
            ["name", format!("neutron-{id}")],
            ["logical-switch", unique::uuid()?]
        ]);
        let datapath = self.insert(
            "Datapath_Binding",
            &json!({"tunnel_key": tunnel_key()?, "external_ids": ["map", ids]}),
        )?;
        Ok(Network { id, datapath })
    }

    /// A host as ovn-controller registers it; returns the UUID in `Chassis`.
    ///
    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn add_chassis(&self, name: &str) -> Result<String> {
        // No two may have the same; nothing is ever sent there.
        let address = format!("tunnel-{}", unique::tag()?);
        let encap = json!({"op": "insert", "table": "Encap", "uuid-name": "e", "row":
            {"type": "geneve", "ip": address, "chassis_name": name}});
        let chassis = json!({"op": "insert", "table": "Chassis", "uuid-name": "c", "row":
            {"name": name, "hostname": name, "encaps": ["named-uuid", "e"]}});
        let private = json!({"op": "insert", "table": "Chassis_Private", "row":
            {"name": name, "chassis": ["named-uuid", "c"]}});
        let results = self.transact(&[encap, chassis, private])?;
        uuid(results.get(1))
    }

    /// Returns the row's UUID.
    ///
    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn add_port(&self, network: &Network, port: &Port<'_>) -> Result<String> {
        let mut row = json!({
            "logical_port": unique::uuid()?,
            "datapath": ["uuid", network.datapath],
            "tunnel_key": tunnel_key()?,
            "mac": format!("{} {}", port.mac, port.address),
            "external_ids": ["map", [["neutron:device_id", port.device],
                                     ["neutron:project_id", port.project]]],
        });
        if let (Some(chassis), Some(row)) = (port.chassis, row.as_object_mut()) {
            row.insert("chassis".to_owned(), json!(["uuid", chassis]));
            row.insert("up".to_owned(), json!(true));
        }
        self.insert("Port_Binding", &row)
    }

    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn insert(&self, table: &str, row: &Value) -> Result<String> {
        let insert = json!({"op": "insert", "table": table, "row": row});
        uuid(self.transact(&[insert])?.first())
    }

    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn update(&self, table: &str, row: &str, columns: &Value) -> Result<()> {
        let by_id = json!([["_uuid", "==", ["uuid", row]]]);
        let update = json!({"op": "update", "table": table, "where": by_id, "row": columns});
        self.transact(&[update]).map(drop)
    }

    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn delete(&self, table: &str, row: &str) -> Result<()> {
        let by_id = json!([["_uuid", "==", ["uuid", row]]]);
        let delete = json!({"op": "delete", "table": table, "where": by_id});
        self.transact(&[delete]).map(drop)
    }

    /// What Neutron's server does every now and then to see who is alive.
    ///
    /// # Errors
    /// As [`OvsdbServer::transact`].
    pub fn set_nb_cfg(&self, number: i64) -> Result<()> {
        let delete = json!({"op": "delete", "table": "SB_Global", "where": []});
        let insert = json!({"op": "insert", "table": "SB_Global", "row": {"nb_cfg": number}});
        let update = json!({"op": "update", "table": "SB_Global", "where": [],
                            "row": {"nb_cfg": number}});
        let updated = self.transact(&[update])?;
        let count = updated.first().and_then(|result| result.get("count"));
        if count.and_then(Value::as_i64) == Some(0) {
            self.transact(&[delete, insert])?;
        }
        Ok(())
    }

    /// `external_ids` of a chassis in `Chassis_Private`.
    ///
    /// # Errors
    /// When there is no such chassis.
    pub fn chassis_ids(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let select = json!({"op": "select", "table": "Chassis_Private",
                            "where": [["name", "==", name]], "columns": ["external_ids"]});
        let results = self.transact(&[select])?;
        let ids = results
            .first()
            .and_then(|result| result.pointer("/rows/0/external_ids/1"));
        let pairs: Vec<(String, String)> =
            serde_json::from_value(ids.context("no such chassis")?.clone())?;
        Ok(pairs.into_iter().collect())
    }
}

fn uuid(result: Option<&Value>) -> Result<String> {
    let uuid = result.and_then(|result| result.pointer("/uuid/1")?.as_str());
    Ok(uuid.context("no row was inserted")?.to_owned())
}

fn tunnel_key() -> Result<u16> {
    let random: String = unique::uuid()?.chars().take(4).collect();
    Ok((u16::from_str_radix(&random, 16)? >> 1).max(1))
}
