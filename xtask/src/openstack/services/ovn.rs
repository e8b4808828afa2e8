//! The two databases of a host with OVN: the southbound one, which the whole
//! cloud shares, and the host's own Open vSwitch configuration.

use std::process::Command;

use anyhow::Result;

use super::super::addresses;
use super::super::place::Place;
use super::super::service::{Ready, Service};
use crate::process;

pub(in super::super) const SOUTHBOUND: &str = "ovn-southbound";
pub(in super::super) const SWITCH: &str = "open-vswitch-db";

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
