//! Who a guest is when it asks over IPv6, whatever address it has there.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::network::Network;
use xtask::lab::router::{Router, Subnet};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(17, 17, 17, 6);

const STABLE_PRIVACY: &str = "fe80::1234:5678:9abc:def0";
const TEMPORARY: &str = "2001:db8::8d2f:1c3a:77:aa01";
const FIXED: &str = "2001:db8::5";
const NEIGHBOURS_FIXED: &str = "2001:db8::6";

/// A guest and its neighbour, with IPv6, and a daemon that knows both; dropped in this
/// order.
struct DualStack {
    daemon: Daemon,
    guest: Guest,
    neighbour: Guest,
    instances: [Instance; 2],
    _network: Network,
    router: Router,
}

impl DualStack {
    fn create() -> Result<Self> {
        let router = Router::create()?;
        let network = Network::behind(&router, Subnet::TUTORIAL)?;
        let inside = router.namespace();
        inside.ip(&format!(
            "address add 2001:db8::1/64 dev {} nodad",
            network.router_interface
        ))?;
        let guest = network.guest(Subnet::TUTORIAL.guest)?;
        let neighbour = network.guest(NEIGHBOUR)?;
        let instances = [
            Instance::of(&guest, &router, "guest")?.on(&network),
            Instance::of(&neighbour, &router, "neighbour")?.on(&network),
        ];
        let inventory = with_fixed_ips(&inventory::file(&instances)?);
        let name = inside.name();
        let setup = Setup::new(METADATAD, &[name], inventory)?.option("identity_timeout", "1");
        let daemon = Daemon::serving(setup, &[name])?;
        Ok(Self {
            daemon,
            guest,
            neighbour,
            instances,
            _network: network,
            router,
        })
    }

    fn refused(&self, reason: &str) -> Result<u64> {
        let status = self.daemon.status()?;
        let refused = status.pointer(&format!("/refused/{reason}"));
        refused.and_then(Value::as_u64).context("no such reason")
    }
}

fn with_fixed_ips(inventory: &str) -> String {
    inventory
        .replace(
            "[\"17.17.17.5\"]",
            &format!("[\"17.17.17.5\", \"{FIXED}\"]"),
        )
        .replace(
            "[\"17.17.17.6\"]",
            &format!("[\"17.17.17.6\", \"{NEIGHBOURS_FIXED}\"]"),
        )
}

/// Gives a guest these IPv6 addresses and no others.
fn readdress(guest: &Guest, addresses: &[&str]) -> Result<()> {
    let inside = guest.namespace();
    inside.ip("-6 address flush dev eth0")?;
    for address in addresses {
        inside.ip(&format!("address add {address}/64 dev eth0 nodad"))?;
    }
    Ok(())
}

fn curl(guest: &Guest, source: &str, options: &str) -> Result<String> {
    let from = match source {
        "" => String::new(),
        source => format!("--interface {source}"),
    };
    guest.curl(&format!(
        "--max-time 10 {options} {from} --globoff http://[fe80::a9fe:a9fe%25eth0]{DOCUMENT}"
    ))
}

fn uuid(text: &str) -> Result<Value> {
    let document: Value = serde_json::from_str(text).with_context(|| text.to_owned())?;
    Ok(document["uuid"].clone())
}

#[test]
fn every_kind_of_address_leads_to_its_guest() -> Result<()> {
    let site = DualStack::create()?;
    let own = &site.instances[0].uuid;
    let of_its_mac = format!("fe80::{}", eui64(&site.guest.mac)?);
    for source in [&of_its_mac, STABLE_PRIVACY] {
        readdress(&site.guest, &[source])?;
        assert_eq!(uuid(&curl(&site.guest, "", "")?)?, *own, "{source}");
    }
    readdress(&site.guest, &[STABLE_PRIVACY, FIXED, TEMPORARY])?;
    for source in [FIXED, TEMPORARY] {
        assert_eq!(uuid(&curl(&site.guest, source, "")?)?, *own, "{source}");
    }
    assert_eq!(site.guest.get(DOCUMENT)?.json()?["uuid"], *own);
    Ok(())
}

#[test]
fn a_neighbours_fixed_address_is_refused_over_ipv6_too() -> Result<()> {
    let site = DualStack::create()?;
    readdress(&site.neighbour, &[STABLE_PRIVACY, FIXED])?;
    let status = "--output /dev/null --write-out %{http_code}";
    assert_eq!(curl(&site.neighbour, FIXED, status)?, "403");
    // With the other's link-local address it is still itself.
    // The other's cable is out meanwhile, or it would reset what it hears of.
    site.guest.namespace().ip("link set eth0 down")?;
    site.router.namespace().ip("neighbour flush all")?;
    let forged = format!("fe80::{}", eui64(&site.guest.mac)?);
    readdress(&site.neighbour, &[&forged])?;
    assert_eq!(
        uuid(&curl(&site.neighbour, "", "")?)?,
        site.instances[1].uuid
    );
    Ok(())
}

#[test]
fn a_guest_that_nobody_knows_gets_no_answer_over_ipv6_and_404_over_ipv4() -> Result<()> {
    let site = DualStack::create()?;
    let stranger = "fa:16:3e:99:99:99";
    let inside = site.guest.namespace();
    inside.ip("link set eth0 down")?;
    inside.ip(&format!("link set eth0 address {stranger}"))?;
    inside.ip("link set eth0 up")?;
    readdress(&site.guest, &[STABLE_PRIVACY])?;
    let error = curl(&site.guest, "", "").err().context("it was answered")?;
    // curl's 52: the server closed without a byte.
    assert!(error.to_string().contains("(52)"), "{error:#}");
    assert_eq!(site.refused("unanswered")?, 1);
    let line = site.daemon.wait_log(&["without an answer"])?;
    assert!(line.contains(stranger), "{line}");
    inside.ip("address add 17.17.17.66/24 dev eth0")?;
    // It went with the link.
    inside.ip(&format!(
        "route add default via {}",
        Subnet::TUTORIAL.gateway
    ))?;
    let status = "--output /dev/null --write-out %{http_code}";
    let over_ipv4 = format!("{status} --interface 17.17.17.66 http://169.254.169.254{DOCUMENT}");
    assert_eq!(site.guest.curl(&over_ipv4)?, "404");
    Ok(())
}

/// The last four groups of the address that the kernel makes of a MAC.
fn eui64(mac: &str) -> Result<String> {
    let octets: Vec<u8> = mac
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()?;
    Ok(format!(
        "{:02x}{:02x}:{:02x}ff:fe{:02x}:{:02x}{:02x}",
        octets[0] ^ 2,
        octets[1],
        octets[2],
        octets[3],
        octets[4],
        octets[5]
    ))
}
