//! Traffic that is no metadata request passes as if we were not there.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{PROXY_PORT, Subnet};
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const LIMIT: Duration = Duration::from_secs(5);
const VIP: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// A datagram to `server`, where somebody answers with what they saw.
fn udp_is_untouched(guest: &Guest, far: &Namespace, server: SocketAddrV4) -> Result<()> {
    let listener = far.enter(|| UdpSocket::bind(server))??;
    listener.set_read_timeout(Some(LIMIT))?;
    let client = guest.namespace().enter(|| UdpSocket::bind("0.0.0.0:0"))??;
    client.set_read_timeout(Some(LIMIT))?;
    client.send_to(b"question", server)?;
    let mut buffer = [0; 64];
    let (length, peer) = listener.recv_from(&mut buffer)?;
    assert_eq!(&buffer[..length], b"question");
    assert_eq!(peer.ip(), guest.address);
    listener.send_to(b"answer", peer)?;
    let (length, from) = client.recv_from(&mut buffer)?;
    assert_eq!((&buffer[..length], from), (&b"answer"[..], server.into()));
    Ok(())
}

/// A connection to `server`, where somebody who is not metadatad listens.
fn tcp_is_untouched(guest: &Guest, far: &Namespace, server: SocketAddrV4) -> Result<()> {
    let listener = far.enter(|| TcpListener::bind(server))??;
    let peer = thread::spawn(move || {
        let (mut stream, peer) = listener.accept()?;
        stream.write_all(peer.ip().to_string().as_bytes())?;
        anyhow::Ok(())
    });
    let mut stream = guest.connect_within(server.into(), LIMIT)?;
    let mut seen = String::new();
    stream.read_to_string(&mut seen)?;
    assert_eq!(seen, guest.address.to_string(), "{server}");
    peer.join().map_err(|_| anyhow!("the listener panicked"))?
}

#[test]
fn other_services_on_the_metadata_address_are_untouched() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let router = site.router.namespace();
    // dnsmasq answers DNS there; UDP has a port 80 too.
    for port in [53, 80, PROXY_PORT] {
        udp_is_untouched(&site.guest, router, SocketAddrV4::new(VIP, port))?;
    }
    for port in [53, 79, 81, 443, 8080] {
        tcp_is_untouched(&site.guest, router, SocketAddrV4::new(VIP, port))?;
    }
    Ok(())
}

#[test]
fn the_routers_own_ports_80_and_9697_are_untouched() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let router = site.router.namespace();
    for port in [80, PROXY_PORT] {
        let server = SocketAddrV4::new(Subnet::TUTORIAL.gateway, port);
        tcp_is_untouched(&site.guest, router, server)?;
    }
    Ok(())
}

#[test]
fn forwarded_traffic_is_untouched() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let second = Subnet {
        guest: Ipv4Addr::new(18, 18, 18, 5),
        gateway: Ipv4Addr::new(18, 18, 18, 1),
        prefix: 24,
    };
    let server = Guest::behind(&site.router, second)?;
    // A datagram that meets the making of a hook is lost, and is not sent again.
    let name = site.router.namespace().name();
    site.daemon.wait("the second interface is seen", |daemon| {
        let interfaces = daemon.namespace(name)?.unwrap_or_default()["interfaces"].take();
        Ok(interfaces.as_array().is_some_and(|seen| seen.len() == 2))
    })?;
    site.daemon.wait_serving(name)?;
    for port in [80, PROXY_PORT] {
        let to = SocketAddrV4::new(server.address, port);
        tcp_is_untouched(&site.guest, server.namespace(), to)?;
        udp_is_untouched(&site.guest, server.namespace(), to)?;
    }
    Ok(())
}

#[test]
fn ping_to_the_metadata_address_works() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let ping = site
        .guest
        .namespace()
        .sh("ping -c 1 -W 5 169.254.169.254")?;
    assert!(ping.contains("1 received"), "{ping}");
    Ok(())
}
