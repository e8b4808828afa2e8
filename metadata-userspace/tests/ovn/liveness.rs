//! What Neutron's server sees of this agent, by way of OVN.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use uuid::Uuid;
use xtask::lab::ovsdb::{Database, OvsdbServer};
use xtask::lab::wait;

use crate::cloud::Cloud;

const LIMIT: Duration = Duration::from_secs(30);

/// A host whose Open vSwitch knows this name.
fn open_vswitch(name: &str) -> Result<OvsdbServer> {
    let server = OvsdbServer::start(Database::OpenVswitch)?;
    let ids = json!([["system-id", name], ["ovn-bridge", "br-test"]]);
    server.insert("Open_vSwitch", &json!({"external_ids": ["map", ids]}))?;
    Ok(server)
}

fn wait_for(cloud: &Cloud, what: &str, key: &str, value: &str) -> Result<()> {
    wait::until(what, LIMIT, || {
        let ids = cloud.southbound.chassis_ids("here")?;
        Ok(ids.get(key).is_some_and(|found| found == value))
    })
}

const SB_CFG: &str = "neutron:ovn-metadata-sb-cfg";
const ID: &str = "neutron:ovn-metadata-id";

#[test]
fn the_agent_is_alive_as_long_as_it_repeats_the_number() -> Result<()> {
    let host = open_vswitch("here")?;
    let southbound = OvsdbServer::start(Database::Southbound)?;
    southbound.set_nb_cfg(7)?;
    let sections = format!(
        "[ovn]\novn_sb_connection = {}\n[ovs]\novsdb_connection = {}\n",
        southbound.inet(),
        host.inet()
    );
    // The delay is bounded by a third of this.
    let mut cloud = Cloud::on(southbound, &sections, |setup| {
        setup.default_option("agent_down_time", "3")
    })?;
    wait_for(&cloud, "the first number", SB_CFG, "7")?;
    let ids = cloud.southbound.chassis_ids("here")?;
    // uuid5 of the chassis' name, which is no UUID, and then of `metadata_agent`.
    let namespace: Uuid = "d34bf9f6-da32-4871-9af8-15a4626b41ab".parse()?;
    let id = Uuid::new_v5(&Uuid::new_v5(&namespace, b"here"), b"metadata_agent");
    assert_eq!(ids.get(ID), Some(&id.to_string()));
    assert_eq!(
        ids.get("neutron:ovn-bridge").map(String::as_str),
        Some("br-test")
    );

    cloud.southbound.set_nb_cfg(8)?;
    wait_for(&cloud, "the next number", SB_CFG, "8")?;
    // The server was away.
    cloud.southbound.stop()?;
    cloud.wait_dependency("ovsdb", false)?;
    cloud.southbound.start_again()?;
    cloud.southbound.set_nb_cfg(9)?;
    wait_for(&cloud, "a number after an outage", SB_CFG, "9")?;
    // ovn-controller registers the chassis anew.
    let rows = json!({"op": "delete", "table": "Chassis_Private", "where": []});
    let insert = json!({"op": "insert", "table": "Chassis_Private", "row": {"name": "here"}});
    cloud.southbound.transact(&[rows])?;
    cloud.southbound.transact(&[insert])?;
    wait_for(&cloud, "the agent in the new row", ID, &id.to_string())?;
    wait_for(&cloud, "the number in the new row", SB_CFG, "9")
}

#[test]
fn the_rows_of_this_host_are_there_before_anyone_asks() -> Result<()> {
    let host = open_vswitch("here")?;
    let southbound = OvsdbServer::start(Database::Southbound)?;
    southbound.set_nb_cfg(7)?;
    let sections = format!(
        "[ovn]\novn_sb_connection = {}\n[ovs]\novsdb_connection = {}\n",
        southbound.inet(),
        host.unix()
    );
    let mut cloud = Cloud::on(southbound, &sections, |setup| {
        setup.default_option("agent_down_time", "3")
    })?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.wait_dependency("ovsdb-local", true)?;
    // It knows who it is, and so which rows to ask for; nothing tells that they have come.
    wait_for(&cloud, "the agent is alive", SB_CFG, "7")?;
    std::thread::sleep(Duration::from_secs(2));
    cloud.southbound.stop()?;
    cloud.wait_dependency("ovsdb", false)?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])
}
