//! What stands for hypervisors and switches: a namespace with a bridge for each
//! network, and a namespace for each instance with its ports' MACs and addresses.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cloud::{self, Instance, Networks, PlannedNetwork, Port};
use super::crowd;
use super::place::Place;
use super::services::{neutron, ovn};
use super::stopping;
use crate::lab::namespace::{self, Namespace};
use crate::lab::router::VIP as METADATA;
use crate::lab::wait;
use crate::process;

/// The agents' interface driver, `lab_interface.py`, knows this name.
pub(super) const SWITCH: &str = "lab-switch";
const LIMIT: Duration = Duration::from_secs(60);

/// The namespace of an instance.
pub(super) fn guest(instance: &str) -> Namespace {
    Namespace::of_somebody(&format!("lab-{instance}"))
}

/// Makes the bridges that are missing.
pub(super) fn make_switch(networks: &Networks) -> Result<()> {
    if !Namespace::of_somebody(SWITCH).exists() {
        let _ = Namespace::create(SWITCH)?.kept();
    }
    let mut ids = networks.networks.values();
    ids.try_for_each(|id| make_bridge(id))
}

/// The agents' interface driver makes those that it needs before we do.
pub(super) fn make_bridge(network_id: &str) -> Result<()> {
    let switch = Namespace::of_somebody(SWITCH);
    let bridge = bridge(network_id);
    if switch.ip(&format!("link show {bridge}")).is_err() {
        // It may come meanwhile.
        let _ = switch.ip(&format!("link add {bridge} type bridge"));
    }
    switch.ip(&format!("link set {bridge} up")).map(drop)
}

/// Makes the instances' namespaces that are missing.
pub(super) fn make_guests(place: &Place) -> Result<()> {
    let networks = Networks::load(place)?;
    let plan = cloud::planned_networks()?;
    for (name, instance) in cloud::instances(place)? {
        if !guest(&name).exists() {
            make_guest(&name, &instance, &networks, &plan)
                .with_context(|| format!("cannot make the guest {name}"))?;
        }
    }
    Ok(())
}

/// Appears whole or not at all.
fn make_guest(
    name: &str,
    instance: &Instance,
    networks: &Networks,
    plan: &[PlannedNetwork],
) -> Result<()> {
    let inside = Namespace::create(guest(name).name())?;
    for (index, port) in instance.ports.iter().enumerate() {
        let network = planned(plan, &port.network)?;
        let bridge = bridge(networks.network(&port.network)?);
        plug(&inside, index, &port.id, &port.mac, &bridge)?;
        address(&inside, index, port, network)?;
    }
    if name == "web" {
        inside.ip(&format!("address add {STRANGER}/32 dev eth0"))?;
    }
    let _ = inside.kept();
    Ok(())
}

/// Gives a namespace `eth<index>` in a network.
pub(super) fn plug(
    inside: &Namespace,
    index: usize,
    port_id: &str,
    mac: &str,
    bridge: &str,
) -> Result<()> {
    let cable: String = format!("t{port_id}").chars().take(14).collect();
    inside.ip(&format!(
        "link add eth{index} address {mac} mtu 1450 type veth peer name {cable} netns {SWITCH}"
    ))?;
    Namespace::of_somebody(SWITCH).ip(&format!("link set {cable} master {bridge} up"))?;
    inside.ip(&format!("link set eth{index} up")).map(drop)
}

/// Addresses and a way to the router: the first port's is the default, and what
/// has another port's address as its source goes by that one.
fn address(inside: &Namespace, index: usize, port: &Port, network: &PlannedNetwork) -> Result<()> {
    for address in &port.addresses {
        let subnet = network
            .subnets
            .iter()
            .find(|subnet| subnet.gateway.is_ipv4() == address.is_ipv4())
            .with_context(|| format!("no subnet for {address}"))?;
        let (_, length) = subnet.cidr.split_once('/').context("no prefix length")?;
        // Nobody else can have it: no duplicate is to be looked for.
        let quick = if address.is_ipv6() { "nodad" } else { "" };
        inside.ip(&format!(
            "address add {address}/{length} dev eth{index} {quick}"
        ))?;
        let gateway = subnet.gateway;
        let family = family(address);
        if index == 0 {
            inside.ip(&format!("{family} route add default via {gateway}"))?;
        } else {
            let table = 100 + index;
            inside.ip(&format!("{family} rule add from {address} lookup {table}"))?;
            inside.ip(&format!(
                "{family} route add default via {gateway} table {table}"
            ))?;
        }
    }
    Ok(())
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "-4" } else { "-6" }
}

/// Connects the namespaces that OVN's metadata agent makes, where Open vSwitch
/// would have done so. It looks for its cables until the proxies run.
pub(super) fn plug_ovn(place: &Place, networks: &Networks) -> Result<()> {
    let ids = networks.networks.values();
    wait::until("OVN's metadata agent starts its proxies", LIMIT, || {
        Ok(ids
            .clone()
            .all(|id| ovn::proxy_pid_file(place, id).exists()))
    })?;
    let switch = Namespace::of_somebody(SWITCH);
    for id in ids {
        let cable = ovn_cable(id);
        if switch.ip(&format!("link show {cable}")).is_err() {
            ip(&format!("link set {cable} netns {SWITCH}"))?;
            switch.ip(&format!("link set {cable} master {} up", bridge(id)))?;
        }
    }
    Ok(())
}

/// Puts a cable back where OVN's metadata agent left it: it removes the namespace only
/// with the cable.
pub(super) fn unplug_ovn(network_id: &str) -> Result<()> {
    let cable = ovn_cable(network_id);
    let line = format!("link set {cable} netns {}", std::process::id());
    Namespace::of_somebody(SWITCH).ip(&line).map(drop)
}

fn ovn_cable(network_id: &str) -> String {
    let name = format!("tap{network_id}");
    name.chars().take(13).chain(['0']).collect()
}

/// Sends guests' requests for metadata to OVN's metadata port, as its DHCP does,
/// or to the router.
pub(super) fn route_metadata(place: &Place, to_ovn: bool) -> Result<()> {
    let plan = cloud::planned_networks()?;
    for (name, instance) in cloud::instances(place)? {
        let inside = guest(&name);
        for (index, port) in instance.ports.iter().enumerate() {
            let table = if index == 0 { 254 } else { 100 + index };
            let route = format!("{METADATA}/32 table {table}");
            if !to_ovn {
                // There may be none.
                let _ = inside.ip(&format!("route delete {route}"));
                continue;
            }
            let network = planned(&plan, &port.network)?;
            inside.ip(&format!("route replace {route} via {}", network.metadata))?;
        }
    }
    Ok(())
}

fn planned<'a>(plan: &'a [PlannedNetwork], name: &str) -> Result<&'a PlannedNetwork> {
    let mut networks = plan.iter();
    let found = networks.find(|network| network.name == name);
    found.with_context(|| format!("no network {name}"))
}

fn ip(line: &str) -> Result<String> {
    process::read(Command::new("ip").args(line.split(' ')))
}

/// Removes what OVN's metadata agent made in earlier runs. Its proxies first: a
/// namespace lives on, without its name, as long as a process in it does, and would go
/// on answering.
pub(super) fn remove_ovn(place: &Place, networks: &Networks) -> Result<()> {
    stopping::end_marked(place, |line| line.contains("/ovn-metadata-proxy/"))?;
    for id in networks.networks.values() {
        namespace::remove(&format!("ovnmeta-{id}"));
        // A file that is not there needs no removal.
        let _ = fs::remove_file(ovn::proxy_pid_file(place, id));
    }
    Ok(())
}

/// An address of the first network that no port has.
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 99);

/// A bridge's name; 15 characters at most.
pub(super) fn bridge(network_id: &str) -> String {
    format!("b{network_id}").chars().take(14).collect()
}

/// Removes every namespace that is the cloud's, the routers' too.
pub(super) fn remove(place: &Place) -> Result<()> {
    let mut names = vec![SWITCH.to_owned()];
    // The agents' own, as their interface driver wrote them down.
    let agents = fs::read_to_string(place.path(neutron::STATE).join("namespaces"));
    names.extend(agents.unwrap_or_default().lines().map(str::to_owned));
    if let Ok(networks) = Networks::load(place) {
        remove_ovn(place, &networks)?;
    }
    if let Ok(instances) = cloud::instances(place) {
        names.extend(instances.keys().map(|name| guest(name).name().to_owned()));
    }
    names.extend(crowd::leftovers(place));
    for name in names {
        namespace::remove(&name);
    }
    Ok(())
}
