//! A crowd of instances behind some routers, with a namespace each: rows and ports in
//! bulk, because one after the other they would take an hour.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::place::Place;
use super::services::nova;
use super::{addresses, fabric, python, up};
use crate::lab::namespace::{self, Namespace};
use crate::lab::wait;
use crate::stop;

const FILE: &str = "crowd.json";
const ROUTER_LIMIT: Duration = Duration::from_secs(120);

/// Instances whose namespaces are removed on drop. Their rows and ports stay.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Of the routers.
    pub(crate) namespaces: Vec<String>,
    pub(crate) routers: Vec<String>,
    /// One of each router, then the next of each.
    pub(crate) members: Vec<Member>,
}

/// An instance of a crowd.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) namespace: Namespace,
    pub(crate) uuid: String,
    pub(crate) project: String,
    pub(crate) address: Ipv4Addr,
    /// Of its uuid, with the secret that Nova shares.
    pub(crate) signature: String,
}

/// A router and its network, as `crowd_ports.py` describes them.
#[derive(Debug, Deserialize)]
struct Router {
    network: String,
    router: String,
    gateway: Ipv4Addr,
    gateway_mac: String,
    /// Of the router, on this network.
    interface: String,
    guests: Vec<Guest>,
}

#[derive(Debug, Deserialize)]
struct Guest {
    name: String,
    uuid: String,
    project_id: String,
    port: String,
    mac: String,
    address: Ipv4Addr,
    signature: String,
}

impl Crowd {
    /// So many routers with so many guests each.
    pub(super) fn gather(place: &Place, routers: usize, guests: usize) -> Result<Self> {
        let mut known = load(place).unwrap_or_default();
        let suffices = |known: &[Router]| {
            let populated = known.iter().filter(|router| router.guests.len() >= guests);
            populated.count() >= routers
        };
        if !suffices(&known) {
            eprintln!("      {routers} routers with {guests} guests each: networks, ports, rows");
            populate(place, routers, guests)?;
            known = load(place)?;
        }
        ensure!(suffices(&known), "fewer guests were made than were wanted");
        known.truncate(routers);
        for router in &mut known {
            router.guests.truncate(guests);
        }
        Self::plug(known)
    }

    fn plug(routers: Vec<Router>) -> Result<Self> {
        eprintln!("      a namespace for each guest");
        let mut crowd = Self {
            namespaces: Vec::new(),
            routers: Vec::new(),
            members: Vec::new(),
        };
        let mut networks = Vec::new();
        for router in routers {
            let namespace = format!("qrouter-{}", router.router);
            let members = plug_network(&router)?;
            let inside = Namespace::of_somebody(&namespace);
            let interface = format!("link show {}", router.interface);
            wait::until("the l3-agent makes a router", ROUTER_LIMIT, || {
                Ok(inside.ip(&interface).is_ok())
            })?;
            acquaint(&namespace, &router)?;
            crowd.namespaces.push(namespace);
            crowd.routers.push(router.router);
            networks.push(members.into_iter());
        }
        while let Some(next) = networks
            .iter_mut()
            .map(Iterator::next)
            .collect::<Option<Vec<_>>>()
        {
            crowd.members.extend(next);
        }
        Ok(crowd)
    }
}

fn load(place: &Place) -> Result<Vec<Router>> {
    place.read_json(FILE)
}

fn populate(place: &Place, routers: usize, guests: usize) -> Result<()> {
    up::report_switch(place)?;
    let [routers, guests] = [routers, guests].map(|count| count.to_string());
    python::helper(place, "crowd_ports", &[&routers, &guests])?;
    let arguments = [&place.text(nova::CONFIGURATION), addresses::SHARED_SECRET];
    python::helper(place, "crowd_instances", &arguments).map(drop)
}

fn plug_network(router: &Router) -> Result<Vec<Member>> {
    fabric::make_bridge(&router.network)?;
    let bridge = fabric::bridge(&router.network);
    let mut far_ends = String::new();
    let mut members = Vec::new();
    for guest in &router.guests {
        stop::check()?;
        let cable = cable(guest);
        let namespace = make(guest, router, &cable)
            .with_context(|| format!("cannot make the guest {}", guest.name))?;
        far_ends += &format!("link set {cable} master {bridge} up\n");
        members.push(Member {
            namespace,
            uuid: guest.uuid.clone(),
            project: guest.project_id.clone(),
            address: guest.address,
            signature: guest.signature.clone(),
        });
    }
    batch(fabric::SWITCH, &far_ends)?;
    Ok(members)
}

fn make(guest: &Guest, router: &Router, cable: &str) -> Result<Namespace> {
    let name = namespace_name(guest);
    // Of a run that was killed.
    namespace::remove(&name);
    let namespace = Namespace::create(&name)?;
    let Guest { mac, address, .. } = guest;
    let Router {
        gateway,
        gateway_mac,
        ..
    } = router;
    batch(
        &name,
        &format!(
            "link add eth0 address {mac} mtu 1450 type veth peer name {cable} netns {}\n\
             address add {address}/24 dev eth0\n\
             link set eth0 up\n\
             route add default via {gateway}\n\
             neighbour replace {gateway} lladdr {gateway_mac} dev eth0 nud permanent\n",
            fabric::SWITCH,
        ),
    )?;
    Ok(namespace)
}

/// The router knows its guests' MACs. All namespaces of a kernel share its table of
/// neighbours, with 1,024 places by default: guests have kernels of their own elsewhere.
fn acquaint(namespace: &str, router: &Router) -> Result<()> {
    let interface = &router.interface;
    let lines = router.guests.iter().map(|guest| {
        let Guest { address, mac, .. } = guest;
        format!("neighbour replace {address} lladdr {mac} dev {interface} nud permanent\n")
    });
    batch(namespace, &lines.collect::<String>())
}

/// The namespaces that a run may have left.
pub(super) fn leftovers(place: &Place) -> Vec<String> {
    let routers = load(place).unwrap_or_default();
    let guests = routers.iter().flat_map(|router| &router.guests);
    guests.map(namespace_name).collect()
}

fn namespace_name(guest: &Guest) -> String {
    format!("lab-{}", guest.name)
}

fn cable(guest: &Guest) -> String {
    format!("t{}", guest.port).chars().take(14).collect()
}

/// Many lines of `ip` inside a namespace, by one process.
fn batch(namespace: &str, lines: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-n", namespace, "-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start ip")?;
    let mut input = child.stdin.take().context("ip has no input")?;
    input.write_all(lines.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "ip in {namespace}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
