//! Neutron's rules come and go, before us and after us, and requests reach us.

use anyhow::Result;
use xtask::lab::router::Router;

use crate::place::{Ground, Home, Kind, Place, assert_served};

#[test]
fn l3_rules_before_after_and_again() -> Result<()> {
    let ground = Ground::create(Kind::Router)?;
    router(&ground)?.add_neutron_rules()?;
    let place = ground.served()?;
    assert_served(place.guest(), &place.ground.instance)?;
    for _ in 0..2 {
        flush(router(&place.ground)?)?;
        assert_served(place.guest(), &place.ground.instance)?;
        router(&place.ground)?.add_neutron_rules()?;
        assert_served(place.guest(), &place.ground.instance)?;
    }
    Ok(())
}

#[test]
fn l3_what_is_taken_away_comes_back() -> Result<()> {
    let mut place = Place::create(Kind::Router)?;
    let (name, interface) = (
        place.ground.home.name().to_owned(),
        place.ground.interface.clone(),
    );
    for taken in [
        format!("tc qdisc delete dev {interface} clsact"),
        format!("ip address delete fe80::a9fe:a9fe/128 dev {interface}"),
        "ip address delete 169.254.169.254/32 dev lo".to_owned(),
        format!("ip link set {interface} down"),
    ] {
        place.ground.home.namespace().sh(&taken)?;
        if taken.ends_with("down") {
            let up = format!("ip link set {interface} up");
            place.ground.home.namespace().sh(&up)?;
        }
        let (guest, instance) = (&place.ground.guest, &place.ground.instance);
        place
            .daemon
            .wait(&format!("all is well after `{taken}`"), |_| {
                let v4 = guest.connect_within(
                    xtask::lab::guest::METADATA.into(),
                    std::time::Duration::from_millis(300),
                );
                Ok(v4.is_ok() && guest.get_ipv6(crate::DOCUMENT).is_ok())
            })?;
        place.daemon.wait_serving(&name)?;
        assert_served(guest, instance)?;
    }
    Ok(())
}

fn router(ground: &Ground) -> Result<&Router> {
    match &ground.home {
        Home::Router(router) => Ok(router),
        Home::Network(..) => anyhow::bail!("no router"),
    }
}

fn flush(router: &Router) -> Result<()> {
    for table in ["mangle", "nat", "filter"] {
        router
            .namespace()
            .sh(&format!("iptables -w -t {table} -F"))?;
    }
    Ok(())
}
