//! A connection per request from few ports: the server's TIME_WAIT pairs come
//! back as new connections. Steering by socket assignment lost those.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/lost_syns.rs"]
mod lost_syns;

use std::io::Read;
use std::net::SocketAddrV4;

use anyhow::Result;
use lost_syns::no_syn_was_lost;
use xtask::lab::guest::Guest;
use xtask::lab::http;
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

/// One request on a connection that the server closes first.
fn ask_and_be_closed(guest: &Guest, source: SocketAddrV4, uuid: &str) -> Result<()> {
    let mut stream = guest.connect_from(source)?;
    let response = http::get(&mut stream, DOCUMENT, "Connection: close\r\n")?;
    assert_eq!(response.json()?["uuid"], uuid);
    assert_eq!(stream.read(&mut [0])?, 0, "the server closes first");
    Ok(())
}

fn server_time_wait(site: &Site) -> Result<usize> {
    let sockets = site
        .router
        .namespace()
        .sh("ss --no-header --tcp --numeric state time-wait")?;
    Ok(sockets.lines().count())
}

#[test]
fn pairs_in_time_wait_are_connected_again() -> Result<()> {
    const PORTS: u16 = 10;
    let site = Site::create(METADATAD)?;
    for round in 0..20 {
        for port in 40_000..40_000 + PORTS {
            let source = SocketAddrV4::new(site.guest.address, port);
            ask_and_be_closed(&site.guest, source, &site.instance.uuid)?;
        }
        // Otherwise this would test nothing.
        assert!(
            server_time_wait(&site)? >= usize::from(PORTS) / 2,
            "round {round}"
        );
    }
    no_syn_was_lost(&site.guest)
}

#[test]
fn a_guest_with_few_ephemeral_ports_can_ask_all_the_time() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let inside = site.guest.namespace();
    inside.sysctl("ipv4/ip_local_port_range", "40000 40015")?;
    let any_port = SocketAddrV4::new(site.guest.address, 0);
    for _ in 0..200 {
        ask_and_be_closed(&site.guest, any_port, &site.instance.uuid)?;
    }
    no_syn_was_lost(&site.guest)
}
