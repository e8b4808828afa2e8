//! How many connections a guest may open: what guests and operators see of it, with
//! the surplus dropped by TC and by XDP.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::lab::daemon::Setup;
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::http;
use xtask::lab::neighbours::Neighbours;
use xtask::process;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

const RATE: u32 = 1;
const BURST: u32 = 10;
/// A SYN that is dropped is sent again after a second.
const AT_ONCE: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(10);
/// For so many attempts that the rate would let most of them in meanwhile.
const IN_A_HURRY: Duration = Duration::from_millis(100);

/// Guests whose new connections are limited.
fn limited(change: impl FnOnce(Setup) -> Setup) -> Result<Neighbours> {
    let limited = |setup: Setup| {
        setup
            .option("connection_rate_per_guest", &RATE.to_string())
            .option("connection_burst_per_guest", &BURST.to_string())
    };
    Neighbours::with(METADATAD, |setup| change(limited(setup)))
}

fn verdict(site: &Neighbours, name: &str) -> Result<u64> {
    let status = site.daemon.status()?;
    let packets = &status["verdicts"][name]["packets"];
    packets.as_u64().context("no such verdict")
}

/// As an operator reads a map.
fn map(site: &Neighbours, name: &str) -> Result<String> {
    let pin = site.daemon.bpffs().join("v2/maps").join(name);
    let mut bpftool = Command::new("bpftool");
    bpftool.args(["map", "dump", "pinned"]).arg(pin);
    process::read(&mut bpftool)
}

/// How many of so many connections are there at once.
fn connected(guest: &Guest, to: SocketAddr, attempts: u32) -> u32 {
    connected_within(AT_ONCE, guest, to, attempts)
}

fn connected_within(limit: Duration, guest: &Guest, to: SocketAddr, attempts: u32) -> u32 {
    let connects = |_: &u32| guest.connect_within(to, limit).is_ok();
    u32::try_from((0..attempts).filter(connects).count()).unwrap_or(u32::MAX)
}

/// The most that budgets of so many guests' size let in within this time.
fn most(guests: u32, meanwhile: Duration) -> u32 {
    let earned = u128::from(guests * RATE) * meanwhile.as_millis() / 1_000;
    guests * BURST + u32::try_from(earned).unwrap_or(u32::MAX / 2)
}

/// The burst, a few that the rate lets in meanwhile, and then none. Returns their number.
fn assert_limited(guest: &Guest, to: SocketAddr) -> u32 {
    let begun = Instant::now();
    let count = connected(guest, to, 3 * BURST);
    let most = most(1, begun.elapsed());
    assert!((BURST..=most).contains(&count), "{count}, not {most}");
    count
}

#[test]
fn tc_drops_the_surplus_of_one_guest_alone() -> Result<()> {
    let site = limited(|setup| setup)?;
    let begun = Instant::now();
    let before = assert_limited(&site.guest, METADATA.into());
    assert_eq!(site.neighbour.get(DOCUMENT)?.status, 200);
    assert!(verdict(&site, "surplus_dropped")? >= u64::from(BURST));
    assert_eq!(verdict(&site, "surplus_dropped_early")?, 0);
    // Who waits is let in again.
    sleep(Duration::from_secs(1));
    let count = connected(&site.guest, METADATA.into(), 5);
    let most = most(1, begun.elapsed()) - before;
    assert!((RATE..=most).contains(&count), "{count}, not {most}");

    let guests = map(&site, "guests")?;
    for shown in ["\"mac\"", "\"address\"", "\"admitted\"", "\"refused\""] {
        assert!(guests.contains(shown), "{guests}");
    }
    let limits = map(&site, "limits")?;
    assert!(
        limits.contains(&format!("\"connections_per_second\": {RATE}"))
            && limits.contains(&format!("\"burst\": {BURST}")),
        "{limits}"
    );
    let mut admin = UnixStream::connect(site.daemon.admin_socket())?;
    let metrics = http::get(&mut admin, "/metrics", "Connection: close\r\n")?.text();
    let counted = "metadatad_datapath_packets_total{verdict=\"surplus_dropped\"}";
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[test]
fn addresses_of_one_mac_have_four_times_as_much_together() -> Result<()> {
    let site = limited(|setup| setup)?;
    let inside = site.guest.namespace();
    let (begun, mut count) = (Instant::now(), 0);
    for last in 100..108 {
        // The route says which address it sends from.
        inside.ip(&format!("address add 17.17.17.{last}/24 dev eth0"))?;
        inside.ip(&format!(
            "route replace {} via 17.17.17.1 src 17.17.17.{last}",
            METADATA.ip()
        ))?;
        count += connected_within(IN_A_HURRY, &site.guest, METADATA.into(), BURST);
    }
    let most = most(4, begun.elapsed());
    assert!((4 * BURST..=most).contains(&count), "{count}, not {most}");
    // Whom the MAC's budget refused, the address's has not paid for.
    let (mac, addresses) = admitted(&site)?;
    assert_eq!(mac, addresses);
    Ok(())
}

/// Connections that were let in: by the budgets of MACs, and by those of addresses.
fn admitted(site: &Neighbours) -> Result<(u64, u64)> {
    let guests: Vec<Value> = serde_json::from_str(&map(site, "guests")?)?;
    let mut by = (0, 0);
    for guest in guests {
        let address = guest["key"]["address"].as_array().context("no address")?;
        let count = guest["value"]["admitted"].as_u64().context("no count")?;
        match address.iter().all(|byte| *byte == json!(0)) {
            true => by.0 += count,
            false => by.1 += count,
        }
    }
    Ok(by)
}

#[test]
fn xdp_drops_the_surplus_before_there_is_a_socket_buffer() -> Result<()> {
    let mut site = limited(|setup| setup.option("xdp_guard", "qr-*"))?;
    let shown = site.router.namespace().sh("bpftool net")?;
    assert!(shown.contains("driver id"), "{shown}");
    let namespace = site.daemon.namespace(site.router.namespace().name())?;
    let namespace = namespace.context("not served")?;
    assert_eq!(namespace["interfaces"][0]["guard"], "on");

    assert_limited(&site.guest, METADATA.into());
    assert!(verdict(&site, "surplus_dropped_early")? >= u64::from(BURST));
    assert_eq!(site.neighbour.get(DOCUMENT)?.status, 200);
    assert_limited(&site.neighbour, site.neighbour.metadata_ipv6()?);
    assert!(verdict(&site, "surplus_dropped_early")? >= 2 * u64::from(BURST));

    site.daemon.stop()?;
    process::read(&mut site.daemon.command("unload"))?;
    let shown = site.router.namespace().sh("bpftool net")?;
    assert!(!shown.contains(" id "), "{shown}");
    Ok(())
}

#[test]
fn without_limits_nobody_is_counted() -> Result<()> {
    let site = limited(|setup| {
        setup
            .option("connection_rate_per_guest", "0")
            .option("xdp_guard", "qr-*")
    })?;
    // A SYN that was dropped would have come again by then: that none was is counted.
    let count = connected_within(LIMIT, &site.guest, METADATA.into(), 4 * BURST);
    assert_eq!(count, 4 * BURST);
    assert_eq!(verdict(&site, "surplus_dropped")?, 0);
    assert_eq!(verdict(&site, "surplus_dropped_early")?, 0);
    assert!(!map(&site, "guests")?.contains("\"mac\""));
    Ok(())
}

#[test]
fn a_driver_that_runs_no_xdp_is_said_to() -> Result<()> {
    let mut site = limited(|setup| setup.option("xdp_guard", "qr-*"))?;
    let inside = site.router.namespace();
    inside.ip("link add qr-bridge type bridge")?;
    let line = "no XDP guard, though xdp_guard names the interface";
    site.daemon.wait_log(&[line, "qr"])?;
    site.daemon.wait("status tells", |daemon| {
        let text = process::read(&mut daemon.command("status"))?;
        Ok(text.contains("qr-bridge") && text.contains("no XDP guard: the driver of interface"))
    })?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
