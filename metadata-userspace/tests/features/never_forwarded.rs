//! A request for metadata never leaves the host by the router's external side, also
//! while nobody answers it.

use std::io::Read;
use std::net::{SocketAddrV4, TcpListener};
use std::time::Duration;

use anyhow::Result;
use xtask::lab::guest::METADATA;
use xtask::lab::namespace::Namespace;
use xtask::lab::unique;

use crate::place::{Kind, Place};

#[test]
fn l3() -> Result<()> {
    let mut place = Place::create(Kind::Router)?;
    let world = Namespace::create(&format!("world-{}", unique::tag()?))?;
    let router = place.ground.home.namespace();
    router.ip(&format!(
        "link add qg-1 type veth peer name eth0 netns {}",
        world.name()
    ))?;
    router.ip("address add 203.0.113.1/24 dev qg-1")?;
    router.ip("link set qg-1 up")?;
    world.ip("address add 203.0.113.9/24 dev eth0")?;
    world.ip("address add 169.254.169.254/32 dev lo")?;
    world.ip("link set eth0 up")?;
    world.ip("route add default via 203.0.113.1")?;
    router.ip("route add default via 203.0.113.9")?;
    // Whoever is out there would like to answer.
    let vip: SocketAddrV4 = METADATA;
    let stranger = world.enter(|| TcpListener::bind(vip))??;
    stranger.set_nonblocking(true)?;

    assert_eq!(place.guest().get(crate::DOCUMENT)?.status, 200);
    place.daemon.stop()?;
    let limit = Duration::from_secs(1);
    if let Ok(mut stream) = place.guest().connect_within(vip.into(), limit) {
        let mut nothing = Vec::new();
        let _reset = stream.read_to_end(&mut nothing);
        assert_eq!(nothing, b"");
    }
    assert!(stranger.accept().is_err(), "a request got out");
    Ok(())
}
