//! How many connections a guest may open: what guests and operators see of it, with
//! the surplus dropped by TC and by XDP.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::http;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::network::Network;
use xtask::lab::router::{Router, Subnet};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

const RATE: u32 = 1;
const BURST: u32 = 10;
/// A SYN that is dropped is sent again after a second.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Two guests of one router, and a daemon that limits both; dropped in this order.
struct Limited {
    daemon: Daemon,
    guest: Guest,
    neighbour: Guest,
    _network: Network,
    router: Router,
}

impl Limited {
    fn with(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let router = Router::create()?;
        let network = Network::behind(&router, Subnet::TUTORIAL)?;
        let guest = network.guest(Subnet::TUTORIAL.guest)?;
        let neighbour = network.guest([17, 17, 17, 6].into())?;
        let instances = [
            Instance::of(&guest, &router, "guest")?.on(&network),
            Instance::of(&neighbour, &router, "neighbour")?.on(&network),
        ];
        let name = router.namespace().name();
        let setup = Setup::new(METADATAD, &[name], inventory::file(&instances)?)?
            .option("connection_rate_per_guest", &RATE.to_string())
            .option("connection_burst_per_guest", &BURST.to_string());
        let daemon = Daemon::serving(change(setup), &[name])?;
        Ok(Self {
            daemon,
            guest,
            neighbour,
            _network: network,
            router,
        })
    }

    fn verdict(&self, name: &str) -> Result<u64> {
        let status = self.daemon.status()?;
        let packets = &status["verdicts"][name]["packets"];
        packets.as_u64().context("no such verdict")
    }

    /// As an operator reads a map.
    fn map(&self, name: &str) -> Result<String> {
        let pin = self.daemon.bpffs().join("v2/maps").join(name);
        self.router.namespace().enter(|| {
            xtask::process::read(
                std::process::Command::new("bpftool")
                    .args(["map", "dump", "pinned"])
                    .arg(&pin),
            )
        })?
    }
}

/// How many of so many connections are there at once.
fn connected(guest: &Guest, to: SocketAddr, attempts: u32) -> u32 {
    let connects = |_: &u32| guest.connect_within(to, AT_ONCE).is_ok();
    u32::try_from((0..attempts).filter(connects).count()).unwrap_or(u32::MAX)
}

/// The burst, a few that the rate lets in meanwhile, and then none.
fn assert_limited(guest: &Guest, to: SocketAddr) {
    let count = connected(guest, to, 3 * BURST);
    // Each attempt that fails takes AT_ONCE.
    assert!((BURST..=2 * BURST).contains(&count), "{count}");
}

#[test]
fn tc_drops_the_surplus_of_one_guest_alone() -> Result<()> {
    let site = Limited::with(|setup| setup)?;
    assert_limited(&site.guest, METADATA.into());
    assert_eq!(site.neighbour.get(DOCUMENT)?.status, 200);
    assert!(site.verdict("surplus_dropped")? >= u64::from(BURST));
    assert_eq!(site.verdict("surplus_dropped_early")?, 0);
    // Who waits is let in again.
    sleep(Duration::from_secs(1));
    let count = connected(&site.guest, METADATA.into(), 5);
    assert!((RATE..=2 * RATE).contains(&count), "{count}");

    let guests = site.map("guests")?;
    for shown in ["\"mac\"", "\"address\"", "\"admitted\"", "\"refused\""] {
        assert!(guests.contains(shown), "{guests}");
    }
    let limits = site.map("limits")?;
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
    let site = Limited::with(|setup| setup)?;
    let inside = site.guest.namespace();
    let mut count = 0;
    for last in 100..108 {
        // The route says which address it sends from.
        inside.ip(&format!("address add 17.17.17.{last}/24 dev eth0"))?;
        inside.ip(&format!(
            "route replace {} via 17.17.17.1 src 17.17.17.{last}",
            METADATA.ip()
        ))?;
        count += connected(&site.guest, METADATA.into(), BURST);
    }
    // Meanwhile the rate of four lets some more in.
    assert!((4 * BURST..=7 * BURST).contains(&count), "{count}");
    Ok(())
}

#[test]
fn xdp_drops_the_surplus_before_there_is_a_socket_buffer() -> Result<()> {
    let mut site = Limited::with(|setup| setup.option("xdp_guard", "qr-*"))?;
    let shown = site.router.namespace().sh("bpftool net")?;
    assert!(shown.contains("driver id"), "{shown}");
    let namespace = site.daemon.namespace(site.router.namespace().name())?;
    let namespace = namespace.context("not served")?;
    assert_eq!(namespace["interfaces"][0]["guard"], "on");

    assert_limited(&site.guest, METADATA.into());
    assert!(site.verdict("surplus_dropped_early")? >= u64::from(BURST));
    assert_eq!(site.neighbour.get(DOCUMENT)?.status, 200);
    assert_limited(&site.neighbour, site.neighbour.metadata_ipv6()?);
    assert!(site.verdict("surplus_dropped_early")? >= 2 * u64::from(BURST));

    site.daemon.stop()?;
    xtask::process::read(&mut site.daemon.command("unload"))?;
    let shown = site.router.namespace().sh("bpftool net")?;
    assert!(!shown.contains(" id "), "{shown}");
    Ok(())
}

#[test]
fn without_limits_nobody_is_counted() -> Result<()> {
    let site = Limited::with(|setup| {
        setup
            .option("connection_rate_per_guest", "0")
            .option("xdp_guard", "qr-*")
    })?;
    assert_eq!(
        connected(&site.guest, METADATA.into(), 4 * BURST),
        4 * BURST
    );
    assert!(!site.map("guests")?.contains("\"mac\""));
    Ok(())
}

#[test]
fn a_driver_that_runs_no_xdp_is_said_to() -> Result<()> {
    let mut site = Limited::with(|setup| setup.option("xdp_guard", "qr-*"))?;
    let inside = site.router.namespace();
    inside.ip("link add qr-bridge type bridge")?;
    let line = "no XDP guard, though xdp_guard names the interface";
    site.daemon.wait_log(&[line, "qr"])?;
    site.daemon.wait("status tells", |daemon| {
        let text = xtask::process::read(&mut daemon.command("status"))?;
        Ok(text.contains("qr-bridge") && text.contains("no XDP guard: the driver of interface"))
    })?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
