//! IPv6: a guest asks [fe80::a9fe:a9fe]:80, whatever its own address is made of.

use anyhow::Result;
use xtask::lab::guest::Guest;

use crate::DOCUMENT;
use crate::place::{Ground, Kind, assert_is_of, assert_served};

crate::in_each_kind!(a_guest_is_answered_by_every_kind_of_address);

fn a_guest_is_answered_by_every_kind_of_address(kind: Kind) -> Result<()> {
    let place = Ground::create(kind)?.served()?;
    let (guest, instance) = (place.guest(), &place.ground.instance);
    // EUI-64, as the kernel made it.
    assert_is_of(&guest.get_ipv6(DOCUMENT)?, instance)?;
    for link_local in ["fe80::7dc1:2d53:9a01:4be7", "fe80::1:2:3:4"] {
        only_link_local(guest, link_local)?;
        assert_is_of(&guest.get_ipv6(DOCUMENT)?, instance)?;
    }
    assert_served(guest, instance)?;
    let seen = place
        .daemon
        .wait_log(&["client=fe80::1:2:3:4", "status=200"])?;
    assert!(seen.contains(&format!("mac={}", guest.mac)), "{seen}");
    Ok(())
}

/// Gives the guest this link-local address, as RFC 7217 or an operator would, and
/// takes the one that the kernel made.
fn only_link_local(guest: &Guest, address: &str) -> Result<()> {
    let inside = guest.namespace();
    inside.ip("-6 address flush dev eth0 scope link")?;
    inside.ip(&format!("address add {address}/64 dev eth0 nodad"))?;
    Ok(())
}

mod without_a_link_local_address_in_the_namespace {
    use super::*;

    crate::in_each_kind!(a_guest_is_answered);

    /// As in DVR with HA, and in OVN's networks without IPv6.
    fn a_guest_is_answered(kind: Kind) -> Result<()> {
        let ground = Ground::create(kind)?;
        let (inside, interface) = (ground.home.namespace(), &ground.interface);
        inside.ip(&format!("-6 address flush dev {interface} scope link"))?;
        let place = ground.served()?;
        assert_is_of(&place.guest().get_ipv6(DOCUMENT)?, &place.ground.instance)
    }
}

#[test]
fn a_global_source_is_answered_too() -> Result<()> {
    for kind in [Kind::Router, Kind::Dhcp] {
        let place = Ground::create(kind)?.served()?;
        let inside = place.ground.home.namespace();
        let interface = &place.ground.interface;
        inside.ip(&format!("address add fd00:17::1/64 dev {interface} nodad"))?;
        let guest = place.guest();
        // Temporary addresses (RFC 8981) are in no port's fixed IPs.
        guest
            .namespace()
            .ip("address add fd00:17::beef/64 dev eth0 nodad")?;
        let body = guest.curl(&format!(
            "--interface fd00:17::beef http://[fe80::a9fe:a9fe%25eth0]{DOCUMENT}"
        ))?;
        assert!(body.contains(&place.ground.instance.uuid), "{body}");
    }
    Ok(())
}

#[test]
fn an_interface_without_ipv6_is_served_by_ipv4() -> Result<()> {
    let ground = Ground::create(Kind::Router)?;
    let key = format!("ipv6/conf/{}/disable_ipv6", ground.interface);
    ground.home.namespace().sysctl(&key, "1")?;
    // The kernel makes no address there, whose coming would tell that IPv6 is on.
    let generation = format!("ipv6/conf/{}/addr_gen_mode", ground.interface);
    ground.home.namespace().sysctl(&generation, "1")?;
    let mut place = ground.served()?;
    assert_served(place.guest(), &place.ground.instance)?;
    let text = xtask::process::read(&mut place.daemon.command("status"))?;
    assert!(text.contains("no IPv6: IPv6 is switched off"), "{text}");
    // When it is switched on, guests have it at once.
    place.ground.home.namespace().sysctl(&key, "0")?;
    let (home, instance) = (place.ground.home.name().to_owned(), &place.ground.instance);
    place.daemon.wait("IPv6 is served", |daemon| {
        let state = daemon.namespace(&home)?.unwrap_or_default();
        Ok(state["interfaces"][0]["ipv6"] == "listening")
    })?;
    assert_is_of(&place.ground.guest.get_ipv6(DOCUMENT)?, instance)
}
