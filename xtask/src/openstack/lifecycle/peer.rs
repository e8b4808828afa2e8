//! Another host's replica of a highly available router, as far as keepalived goes.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::super::fabric;
use super::super::services::neutron;
use super::estate::{Router, items, text};
use super::lab::Lab;
use crate::lab::namespace::Namespace;
use crate::lab::{daemon, unique, wait};
use crate::process;

/// In Neutron's 169.254.192.0/18 of HA networks, where it gives addresses from below.
const ADDRESS: &str = "169.254.255.250/18";
const LIMIT: Duration = Duration::from_secs(20);

/// A keepalived that wants to be primary; it goes on drop, and Neutron's takes over.
#[derive(Debug)]
pub(super) struct Peer {
    keepalived: Child,
    _namespace: Namespace,
    _directory: TempDir,
}

impl Peer {
    /// Joins the HA network of a router.
    pub(super) fn of(lab: &Lab<'_>, router: &Router) -> Result<Self> {
        let namespace = Namespace::create(&format!("lab-peer-{}", unique::tag()?))?;
        let (port, mac) = (unique::uuid()?, unique::mac()?);
        let bridge = fabric::bridge(&ha_network(lab, router)?);
        fabric::plug(&namespace, 0, &port, &mac, &bridge)?;
        namespace.ip(&format!("address add {ADDRESS} dev eth0"))?;
        let directory = tempfile::Builder::new().prefix("keepalived-").tempdir()?;
        let file = directory.path().join("keepalived.conf");
        fs::write(&file, configuration(&theirs(lab, router)?)?)?;
        let mut command: Command = namespace.command("keepalived");
        command
            .args(["--dont-fork", "--vrrp", "--use-file"])
            .arg(&file);
        for option in ["--pid", "--vrrp_pid"] {
            command.arg(option).arg(directory.path().join(&option[2..]));
        }
        process::in_background(&mut command);
        command.stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self {
            keepalived: command.spawn().context("cannot start keepalived")?,
            _namespace: namespace,
            _directory: directory,
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let ended = daemon::send(self.keepalived.id(), Signal::SIGTERM).and_then(|()| {
            wait::until("keepalived ends", LIMIT, || {
                Ok(self.keepalived.try_wait()?.is_some())
            })
        });
        if let Err(error) = ended {
            eprintln!("warning: {error:#}");
        }
    }
}

fn ha_network(lab: &Lab<'_>, router: &Router) -> Result<String> {
    let path = format!(
        "/ports?device_id={}&fields=network_id&fields=device_owner",
        router.id
    );
    let ports = lab.api.get(&path)?;
    let is_ha = |port: &&Value| {
        port.get("device_owner").and_then(Value::as_str) == Some("network:router_ha_interface")
    };
    let port = items(&ports, "ports").iter().find(is_ha);
    text(port.context("a router without an HA port")?, "network_id")
}

/// What the l3-agent wrote for its own keepalived.
fn theirs(lab: &Lab<'_>, router: &Router) -> Result<String> {
    let name = format!("{}/ha_confs/{}/keepalived.conf", neutron::STATE, router.id);
    Ok(fs::read_to_string(lab.place.path(&name))?)
}

/// The same virtual router, with a higher priority than Neutron's 50.
fn configuration(theirs: &str) -> Result<String> {
    let mut lines = theirs.lines().map(str::trim);
    let id = lines.find(|line| line.starts_with("virtual_router_id"));
    let id = id.context("a virtual router without an id")?;
    let mut lines = lines.skip_while(|line| !line.starts_with("virtual_ipaddress {"));
    let address = lines.nth(1).and_then(|line| line.split(' ').next());
    let address = address.context("a virtual router without an address")?;
    Ok(format!(
        "vrrp_instance peer {{\n state BACKUP\n interface eth0\n {id}\n priority 100\n \
         advert_int 1\n virtual_ipaddress {{\n {address} dev eth0\n }}\n}}\n"
    ))
}
