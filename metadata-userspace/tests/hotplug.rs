//! Interfaces come and go while the daemon runs.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::Value;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

fn interfaces(daemon: &Daemon, router: &Router) -> Result<Vec<String>> {
    let namespace = daemon.namespace(router.namespace().name())?;
    let interfaces = namespace.and_then(|namespace| namespace["interfaces"].as_array().cloned());
    Ok(interfaces
        .unwrap_or_default()
        .iter()
        .filter(|interface| interface["steered"] == Value::Bool(true))
        .filter_map(|interface| interface["name"].as_str().map(str::to_owned))
        .collect())
}

#[test]
fn an_interface_is_served_from_when_it_appears_until_it_goes() -> Result<()> {
    let router = Router::create()?;
    let name = router.namespace().name();
    let address = Subnet::TUTORIAL.guest;
    let instance = Instance::at(router.id(), address, "fa:16:3e:00:00:05", "c1")?;
    let inventory = inventory::file(std::slice::from_ref(&instance))?;
    let mut daemon = Daemon::start(Setup::new(METADATAD, &[name], inventory)?)?;
    assert!(interfaces(&daemon, &router)?.is_empty());
    for _ in 0..2 {
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let interface = guest.router_interface.clone();
        daemon.wait("the new interface is steered", |daemon| {
            Ok(interfaces(daemon, &router)? == [interface.clone()])
        })?;
        assert_eq!(guest.get(DOCUMENT)?.json()?["uuid"], instance.uuid);
        router.namespace().ip(&format!("link delete {interface}"))?;
        daemon.wait("the interface is forgotten", |daemon| {
            Ok(interfaces(daemon, &router)?.is_empty())
        })?;
    }
    Ok(())
}

#[test]
fn a_second_interface_does_not_disturb_the_first() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let mut stream = site.guest.connect()?;
    let second = Subnet {
        guest: Ipv4Addr::new(18, 18, 18, 5),
        gateway: Ipv4Addr::new(18, 18, 18, 1),
        prefix: 24,
    };
    let stranger = Guest::behind(&site.router, second)?;
    let router = &site.router;
    site.daemon.wait("both interfaces are steered", |daemon| {
        Ok(interfaces(daemon, router)?.len() == 2)
    })?;
    // On the connection that was open before.
    let response = xtask::lab::http::get(&mut stream, DOCUMENT, "")?;
    assert_eq!(response.json()?["uuid"], site.instance.uuid);
    assert_eq!(stranger.get(DOCUMENT)?.status, 404);
    Ok(())
}

#[test]
fn interfaces_of_other_kinds_are_left_alone() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let router = site.router.namespace();
    let outside = Namespace::create(&format!("outside-{}", &site.router.id()[..8]))?;
    for device in ["qg-outside", "rfp-fip"] {
        let far = outside.name();
        router.ip(&format!(
            "link add {device} type veth peer name to-{device} netns {far}"
        ))?;
        router.ip(&format!("link set {device} up"))?;
    }
    // A tenant interface that comes later shows that the others were seen.
    let second = Subnet {
        guest: Ipv4Addr::new(18, 18, 18, 5),
        gateway: Ipv4Addr::new(18, 18, 18, 1),
        prefix: 24,
    };
    let _second = Guest::behind(&site.router, second)?;
    let mut daemon = site.daemon;
    daemon.wait("the later interface is steered", |daemon| {
        Ok(interfaces(daemon, &site.router)?.len() == 2)
    })?;
    for device in ["qg-outside", "rfp-fip", "lo"] {
        let filters = router.sh(&format!("tc filter show dev {device} ingress"))?;
        assert_eq!(filters, "", "{device}");
    }
    Ok(())
}

#[test]
fn what_somebody_removes_by_hand_is_put_back() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let interface = site.guest.router_interface.clone();
    for removal in [
        format!("tc filter delete dev {interface} ingress"),
        format!("tc filter delete dev {interface} egress"),
        format!("tc qdisc delete dev {interface} clsact"),
        "ip address delete 169.254.169.254/32 dev lo".to_owned(),
    ] {
        site.router.namespace().sh(&removal)?;
        let (guest, router) = (&site.guest, &site.router);
        site.daemon.wait(&format!("`{removal}` is undone"), |_| {
            is_whole(router, &guest.router_interface)
        })?;
        let response = site.guest.get(DOCUMENT)?;
        assert_eq!(response.json()?["uuid"], site.instance.uuid, "{removal}");
    }
    Ok(())
}

fn is_whole(router: &Router, interface: &str) -> Result<bool> {
    let inside = router.namespace();
    // Without the qdisc tc fails, which means the same here.
    let filter = |side: &str| {
        let filters = inside.sh(&format!("tc filter show dev {interface} {side}"));
        filters.unwrap_or_default()
    };
    Ok(filter("ingress").contains("metadata_steer")
        && filter("egress").contains("metadata_restore")
        && inside
            .ip("route show table local 169.254.169.254")?
            .contains("local"))
}
