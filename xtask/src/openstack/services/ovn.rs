//! The two databases of a host with OVN, the southbound one, which the whole
//! cloud shares, and the host's own Open vSwitch configuration; and Neutron's
//! metadata agent for them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::super::addresses;
use super::super::place::Place;
use super::super::service::{Ready, Service};
use super::neutron;
use crate::process;

pub(in super::super) const SOUTHBOUND: &str = "ovn-southbound";
pub(in super::super) const SWITCH: &str = "open-vswitch-db";

pub(in super::super) const METADATA_AGENT: &str = "neutron-ovn-metadata-agent";

pub(in super::super) const CONFIGURATION: &str = "conf/ovn_metadata_agent.ini";
const STATE: &str = "neutron/ovn-state";
const SOUTHBOUND_SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";
const SWITCH_SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Makes both databases, empty.
pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    for (name, schema) in [(SOUTHBOUND, SOUTHBOUND_SCHEMA), (SWITCH, SWITCH_SCHEMA)] {
        let file = database(place, name);
        place.once(name, || {
            let mut create = Command::new("ovsdb-tool");
            process::read(create.args(["create", &file, schema])).map(drop)
        })?;
    }
    Ok(())
}

pub(in super::super) fn southbound(place: &Place) -> Service {
    let mut service = server(place, SOUTHBOUND);
    service.command.push(format!(
        "--remote=ptcp:{}:127.0.0.1",
        addresses::OVN_SOUTHBOUND
    ));
    service
}

pub(in super::super) fn switch(place: &Place) -> Service {
    server(place, SWITCH)
}

/// The Unix socket of a database, as OVSDB clients name it.
pub(in super::super) fn remote(place: &Place, name: &str) -> String {
    format!("unix:{}", place.text(&format!("run/{name}.sock")))
}

/// Its state is apart from that of the other agents: the socket would be the same.
pub(in super::super) fn configure(place: &Place) -> Result<()> {
    let text = format!(
        "[DEFAULT]\n\
         state_path = {}\n\
         [ovn]\n\
         ovn_sb_connection = {}\n\
         [ovs]\n\
         ovsdb_connection = {}\n",
        place.text(STATE),
        remote(place, SOUTHBOUND),
        remote(place, SWITCH),
    );
    place.write(CONFIGURATION, &text).map(drop)
}

pub(in super::super) fn metadata_agent(place: &Place) -> Service {
    let files = [
        neutron::CONFIGURATION,
        neutron::METADATA_CONFIGURATION,
        CONFIGURATION,
    ];
    let ready = Ready::Socket(agent_socket(place));
    neutron::program(place, METADATA_AGENT, &files, ready)
}

/// Where the haproxies of OVN's networks find the metadata agent.
pub(in super::super) fn agent_socket(place: &Place) -> PathBuf {
    place.path(STATE).join("metadata_proxy")
}

/// Written when the haproxy of a network runs.
pub(in super::super) fn proxy_pid_file(place: &Place, network: &str) -> PathBuf {
    let pids = place.path(STATE).join("external/pids");
    pids.join(format!("{network}.pid.haproxy"))
}

fn database(place: &Place, name: &str) -> String {
    place.text(&format!("run/{name}.db"))
}

fn server(place: &Place, name: &'static str) -> Service {
    let socket = place.path(&format!("run/{name}.sock"));
    let command = [
        "ovsdb-server".to_owned(),
        database(place, name),
        format!("--remote=punix:{}", socket.display()),
        format!("--unixctl={}", place.text(&format!("run/{name}.ctl"))),
        "--no-chdir".to_owned(),
    ];
    Service {
        name,
        command: command.into(),
        environment: Vec::new(),
        files: Vec::new(),
        ready: Ready::Socket(socket),
    }
}
