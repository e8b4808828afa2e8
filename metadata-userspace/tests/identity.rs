//! Who a guest is, on a network where its neighbours can take its address.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;

use anyhow::Result;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http::Response;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::network::Network;
use xtask::lab::router::{Router, Subnet};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(17, 17, 17, 6);

/// A guest, its neighbour, and a daemon that knows both; dropped in this order.
struct Neighbours {
    daemon: Daemon,
    victim: Guest,
    spoofer: Guest,
    instances: [Instance; 2],
    _network: Network,
    router: Router,
}

impl Neighbours {
    fn create(mac_check: &str) -> Result<Self> {
        let router = Router::create()?;
        let network = Network::behind(&router, Subnet::TUTORIAL)?;
        let victim = network.guest(Subnet::TUTORIAL.guest)?;
        let spoofer = network.guest(NEIGHBOUR)?;
        let instances = [
            Instance::of(&victim, &router, "victim")?.on(&network),
            Instance::of(&spoofer, &router, "spoofer")?.on(&network),
        ];
        let name = router.namespace().name();
        let setup = Setup::new(METADATAD, &[name], inventory::file(&instances)?)?
            .option("mac_check", mac_check);
        let daemon = Daemon::serving(setup, &[name])?;
        Ok(Self {
            daemon,
            victim,
            spoofer,
            instances,
            _network: network,
            router,
        })
    }

    /// The spoofer asks with its neighbour's address and its own MAC. The
    /// neighbour's cable is out meanwhile, so that it does not object.
    fn spoof(&self) -> Result<Response> {
        self.victim.namespace().ip("link set eth0 down")?;
        self.take_address(&self.spoofer, self.victim.address)?;
        self.spoofer.get(DOCUMENT)
    }

    /// Everyone is who they were.
    fn make_up(&self) -> Result<()> {
        self.take_address(&self.spoofer, NEIGHBOUR)?;
        self.victim.namespace().ip("link set eth0 up")?;
        self.take_address(&self.victim, self.victim.address)
    }

    fn take_address(&self, guest: &Guest, address: Ipv4Addr) -> Result<()> {
        let inside = guest.namespace();
        inside.ip("address flush dev eth0")?;
        inside.ip(&format!("address add {address}/24 dev eth0"))?;
        inside.ip(&format!(
            "route add default via {}",
            Subnet::TUTORIAL.gateway
        ))?;
        self.router.namespace().ip("neighbour flush all")?;
        Ok(())
    }

    fn pretenders(&self) -> Result<u64> {
        let name = "metadatad_agent_resolutions_total{outcome=\"pretender\"}";
        self.daemon.metric(name)
    }
}

#[test]
fn a_guest_with_its_neighbours_address_is_refused_and_the_neighbour_served() -> Result<()> {
    let site = Neighbours::create("enforce")?;
    let [victim, spoofer] = &site.instances;
    assert_eq!(site.spoofer.get(DOCUMENT)?.json()?["uuid"], spoofer.uuid);
    let refused = site.spoof()?;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(!refused.text().contains(&victim.uuid));
    assert_eq!(site.pretenders()?, 1);
    let line = site
        .daemon
        .wait_log(&["a port asks with the address of another"])?;
    for part in [&site.spoofer.mac, &victim.uuid, &spoofer.uuid, "17.17.17.5"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    site.make_up()?;
    assert_eq!(site.victim.get(DOCUMENT)?.json()?["uuid"], victim.uuid);
    assert_eq!(site.spoofer.get(DOCUMENT)?.json()?["uuid"], spoofer.uuid);
    Ok(())
}

#[test]
fn an_operator_may_only_have_it_logged() -> Result<()> {
    let site = Neighbours::create("log")?;
    assert_eq!(site.spoof()?.json()?["uuid"], site.instances[0].uuid);
    assert_eq!(site.pretenders()?, 1);
    site.daemon
        .wait_log(&["a port asks with the address of another", "refused=false"])?;
    Ok(())
}

#[test]
fn an_operator_may_have_macs_ignored() -> Result<()> {
    let site = Neighbours::create("off")?;
    assert_eq!(site.spoof()?.json()?["uuid"], site.instances[0].uuid);
    assert_eq!(site.pretenders()?, 0);
    Ok(())
}
