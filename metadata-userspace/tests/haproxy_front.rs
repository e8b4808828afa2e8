//! Neutron's own haproxy, with the configuration and the iptables rules that an
//! l3-agent makes, in front of our agent's unix socket.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread::{sleep, spawn};
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::cloud_init;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::http;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{Router, Subnet};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

struct Front {
    _haproxy: Haproxy,
    daemon: Daemon,
    guest: Guest,
    instance: Instance,
    neighbour: Instance,
    router: Router,
}

fn front() -> Result<Front> {
    front_with(|setup| setup)
}

fn front_with(change: impl FnOnce(Setup) -> Setup) -> Result<Front> {
    let router = Router::create()?;
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    router.add_neutron_rules()?;
    let instance = Instance::of(&guest, &router, "c1")?;
    let address = Ipv4Addr::new(17, 17, 17, 9);
    let neighbour = Instance::at(router.id(), address, "fa:16:3e:00:00:09", "neighbour")?;
    let inventory = inventory::file(&[instance.clone(), neighbour.clone()])?;
    // It serves the socket and no namespace.
    let setup = Setup::new(METADATAD, &["none"], inventory)?;
    let daemon = Daemon::start(change(setup))?;
    Ok(Front {
        _haproxy: Haproxy::start(&router, &daemon.agent_socket())?,
        daemon,
        guest,
        instance,
        neighbour,
        router,
    })
}

#[test]
fn a_guest_behind_neutrons_haproxy_gets_its_documents() -> Result<()> {
    let front = front()?;
    for _ in 0..20 {
        let document = front.guest.get(DOCUMENT)?.json()?;
        assert_eq!(document["uuid"], front.instance.uuid);
    }
    let address = front.guest.get("/latest/meta-data/local-ipv4")?;
    assert_eq!(address.text(), "17.17.17.5");
    assert_eq!(front.guest.get("/none")?.status, 404);
    // Nothing of ours is in the router.
    assert!(
        front
            .daemon
            .namespace(front.router.namespace().name())?
            .is_none()
    );
    Ok(())
}

#[test]
fn a_password_whose_body_comes_later_is_kept() -> Result<()> {
    let front = front()?;
    let path = "/openstack/latest/password";
    let mut stream = front.guest.connect()?;
    stream.write_all(
        format!("POST {path} HTTP/1.1\r\nHost: metadata\r\nContent-Length: 8\r\n\r\n").as_bytes(),
    )?;
    sleep(Duration::from_millis(300));
    stream.write_all(b"c2VjcmV0")?;
    assert_eq!(http::read_response(&mut stream)?.status, 200);
    assert_eq!(front.guest.get(path)?.text(), "c2VjcmV0");
    Ok(())
}

#[test]
fn an_address_that_the_guest_claims_is_not_believed() -> Result<()> {
    let front = front()?;
    for claim in [
        "X-Forwarded-For: 17.17.17.9\r\n",
        "x_forwarded_for: 17.17.17.9\r\n",
        "X-Forwarded-For: 17.17.17.9, 17.17.17.9\r\n",
        "X-Instance-ID: 00000000-0000-0000-0000-000000000000\r\n",
        "X-Neutron-Network-ID: 00000000-0000-0000-0000-000000000000\r\n",
    ] {
        let response = front.guest.get_with(DOCUMENT, claim)?;
        assert!(!response.text().contains(&front.neighbour.uuid), "{claim}");
        assert_eq!(response.status, 200, "{claim}: {}", response.text());
        assert_eq!(response.json()?["uuid"], front.instance.uuid, "{claim}");
    }
    Ok(())
}

#[test]
fn documents_larger_than_haproxys_buffers_pass() -> Result<()> {
    let front = front()?;
    let long = format!("/openstack/latest/user_data?{}", "q".repeat(6_000));
    assert_eq!(front.guest.get(&long)?.status, 404);
    let padding = format!("X-Padding: {}\r\n", "p".repeat(9_000));
    let document = front.guest.get_with(DOCUMENT, &padding)?.json()?;
    assert_eq!(document["uuid"], front.instance.uuid);
    Ok(())
}

/// It gives up when it has heard nothing for 10 s.
#[test]
fn cloud_init_waits_behind_haproxy_for_a_nova_that_takes_longer() -> Result<()> {
    let nova = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = nova.local_addr()?.port();
    let front = front_with(|setup| setup.nova_port(port))?;
    let answering = spawn(move || -> Result<()> {
        let (mut stream, _) = nova.accept()?;
        for line in BufReader::new(stream.try_clone()?).lines() {
            if line?.is_empty() {
                break;
            }
        }
        sleep(Duration::from_secs(15));
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nat last")?)
    });
    let url = format!("http://169.254.169.254{DOCUMENT}");
    let read = cloud_init::read(front.guest.namespace(), &url)?;
    assert_eq!(read, "at last");
    answering.join().map_err(|_| anyhow!("it panicked"))?
}
