//! In which namespaces a shim may be, and whose they are.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::namespace::Namespace;
use xtask::lab::netns_directory::NetnsDirectory;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::shim::{Shim, Wanted, namespace_of_network};
use xtask::lab::{unique, wait};
use xtask::process;

use crate::{DOCUMENT, LIMIT, METADATAD, Scene};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(17, 17, 17, 5);

/// A guest in a network whose namespace is not a router's.
pub(crate) struct OnNetwork {
    pub(crate) daemon: Daemon,
    pub(crate) guest: Guest,
    pub(crate) namespace: Namespace,
    pub(crate) instance: Instance,
    pub(crate) router_id: String,
}

impl OnNetwork {
    /// With a daemon that watches this namespace alone, if it has a name of Neutron's:
    /// other tests' are on the machine too.
    pub(crate) fn create(prefix: &str, with_address: bool) -> Result<Self> {
        let (network_id, router_id) = (unique::uuid()?, unique::uuid()?);
        let far = Namespace::create(&format!("guest-{}", unique::tag()?))?;
        let mac = unique::mac()?;
        let name = format!("{prefix}{network_id}");
        let namespace = namespace_of_network(&name, &far, &mac, with_address)?;
        let instance = Instance::at(&router_id, ADDRESS, &mac, "c1")?;
        let inventory = inventory::file(std::slice::from_ref(&instance))?;
        let daemon = Daemon::start(Setup::new(METADATAD, &[&name], inventory)?)?;
        Ok(Self {
            daemon,
            guest: Guest::of_somebody(far, ADDRESS, &mac),
            namespace,
            instance,
            router_id,
        })
    }

    fn state(&self) -> Result<serde_json::Value> {
        let state = self.daemon.namespace(self.namespace.name())?;
        state.context("the daemon does not know the namespace")
    }
}

#[test]
fn a_dhcp_agents_router_is_the_shims_not_the_namespaces_name() -> Result<()> {
    let mut site = OnNetwork::create("qdhcp-", true)?;
    let name = site.namespace.name().to_owned();
    site.daemon.wait_serving(&name)?;
    // The inventory knows the guest behind its router, not on this network.
    let mut connection = site.guest.connect()?;
    let answer = xtask::lab::http::get(&mut connection, DOCUMENT, "")?;
    assert_eq!(answer.status, 404);
    let wanted = Wanted::for_router_on_a_network(&site.router_id);
    let shim = Shim::start(&site.daemon, &site.namespace, &wanted)?;
    let router = serde_json::json!({ "router": site.router_id });
    assert_eq!(site.state()?["realm"], router);
    wait::until("guests are the router's", LIMIT, || {
        Ok(site.guest.get(DOCUMENT)?.status == 200)
    })?;
    let document = site.guest.get(DOCUMENT)?.json()?;
    assert_eq!(document["uuid"], site.instance.uuid);
    drop(shim);
    wait::until("the shim is missed", LIMIT, || {
        Ok(site.state()?["state"] == "released")
    })
}

#[test]
fn a_namespace_without_the_address_is_served_all_the_same() -> Result<()> {
    let site = OnNetwork::create("qdhcp-", false)?;
    let wanted = Wanted::for_router_on_a_network(&site.router_id);
    let _shim = Shim::start(&site.daemon, &site.namespace, &wanted)?;
    let document = site.guest.get(DOCUMENT)?.json()?;
    assert_eq!(document["uuid"], site.instance.uuid);
    Ok(())
}

#[test]
fn a_namespace_of_any_name_is_served() -> Result<()> {
    let site = OnNetwork::create("my-", true)?;
    let wanted = Wanted::for_router_on_a_network(&site.router_id);
    let shim = Shim::start(&site.daemon, &site.namespace, &wanted)?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    assert_eq!(site.state()?["kind"], "dhcp");
    drop(shim);
    wait::until("nothing of it stays", LIMIT, || {
        let filters = site.namespace.sh("tc qdisc show")?;
        let known = site.daemon.namespace(site.namespace.name())?.is_some();
        Ok(!known && !filters.contains("clsact"))
    })
}

#[test]
fn the_first_namespace_of_a_host_is_followed() -> Result<()> {
    let names = NetnsDirectory::create()?;
    let router = Router::create()?;
    let setup = Setup::new(METADATAD, &["none"], String::new())?
        .option("netns_dir", &names.path().to_string_lossy());
    let mut daemon = Daemon::start(setup)?;
    let wanted = Wanted::for_router(router.id());
    let _shim = Shim::start(&daemon, router.namespace(), &wanted)?;
    let _guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    daemon.wait_serving(&format!("net:[{}]", router.namespace().inode()?))
}

#[test]
fn a_shim_keeps_a_namespace_that_lost_its_name() -> Result<()> {
    let mut scene = Scene::watching(str::to_owned)?;
    let shim = scene.shim()?;
    let (name, inode) = (
        scene.namespace().name().to_owned(),
        scene.namespace().inode()?,
    );
    process::read(std::process::Command::new("ip").args(["netns", "delete", &name]))?;
    let unnamed = format!("net:[{inode}]");
    scene.daemon.wait("the name is missed", |daemon| {
        Ok(daemon.namespace(&unnamed)?.is_some() && daemon.namespace(&name)?.is_none())
    })?;
    scene.assert_served()?;
    // Another namespace of the same name is another namespace.
    let _next = Namespace::create(&name)?;
    scene.daemon.wait("the next one is served", |daemon| {
        Ok(daemon.namespace(&name)?.is_some())
    })?;
    scene.assert_served()?;
    shim.end(Signal::SIGTERM)?;
    scene.daemon.wait("the namespace is let go", |daemon| {
        Ok(daemon.namespace(&unnamed)?.is_none())
    })
}

#[test]
fn one_routers_proxies_in_two_namespaces_are_independent() -> Result<()> {
    // LP 1703059: the dhcp-agent's and the l3-agent's, of one UUID.
    let scene = Scene::create()?;
    let far = Namespace::create(&format!("guest-{}", unique::tag()?))?;
    let mac = unique::mac()?;
    let name = format!("qdhcp-{}", unique::uuid()?);
    let network = namespace_of_network(&name, &far, &mac, true)?;
    let wanted = Wanted::for_router_on_a_network(scene.router.id());
    let by_dhcp = Shim::start(&scene.daemon, &network, &wanted)?;
    let by_l3 = scene.shim()?;
    let state = |name: &str| scene.daemon.namespace(name);
    let realms = [
        state(network.name())?.unwrap_or_default()["realm"].clone(),
        scene.state()?.unwrap_or_default()["realm"].clone(),
    ];
    assert_eq!(realms[0], realms[1]);
    by_dhcp.end(Signal::SIGTERM)?;
    wait::until("one ends", LIMIT, || Ok(state(network.name())?.is_none()))?;
    scene.assert_served()?;
    drop(by_l3);
    Ok(())
}

#[test]
fn the_latest_of_two_shims_says_whose_a_namespace_is() -> Result<()> {
    let mut scene = Scene::create()?;
    let right = scene.shim()?;
    let other = Wanted::for_router(&unique::uuid()?);
    let wrong = Shim::start(&scene.daemon, scene.namespace(), &other)?;
    // Whoever is connected while a namespace changes hands is cut off.
    let status = |scene: &Scene| scene.guest.get(DOCUMENT).ok().map(|answer| answer.status);
    wait::until("the latest has the word", LIMIT, || {
        Ok(status(&scene) == Some(404))
    })?;
    drop(wrong);
    wait::until("the other has it again", LIMIT, || {
        Ok(status(&scene) == Some(200))
    })?;
    drop(right);
    scene.wait_until_not_served()
}

#[test]
fn the_hosts_own_namespace_is_not_served() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let mut command = std::process::Command::new(place.program());
    command.arg("-f").arg(place.config());
    command.env("METADATAD_CONFIG", scene.daemon.config_file());
    let output = process::output(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    xtask::lab::daemon::send(place.pid()?, Signal::SIGTERM)?;
    assert!(said.contains("the host's own network namespace"), "{said}");
    Ok(())
}
