//! Several hosts serve one network, each with the same IPv6 address on it.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use xtask::lab::agent_namespace::AgentNamespace;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::netns_directory::NetnsDirectory;
use xtask::lab::network::Network;
use xtask::lab::router::Subnet;
use xtask::lab::{unique, wait};

use crate::place::assert_is_of;
use crate::{DOCUMENT, METADATAD};

const HOSTS: u8 = 3;
const VIP: &str = "fe80::a9fe:a9fe";
/// Every solicitation is answered by all hosts, in any order.
const ROUNDS: usize = 25;

/// One host's dhcp-agent namespace of the network, and its metadatad.
struct Host {
    daemon: Daemon,
    // In the order in which they are dropped.
    _names: NetnsDirectory,
    namespace: AgentNamespace,
}

impl Host {
    fn start(number: u8, network: &Network, instance: &Instance) -> Result<Self> {
        let address = Ipv4Addr::new(17, 17, 17, 100 + number);
        let unique = format!("host{number}-{}", unique::tag()?);
        let namespace = AgentNamespace::named(&unique, network, address)?;
        namespace.add_metadata_address()?;
        let (names, name) = (NetnsDirectory::create()?, format!("qdhcp-{}", network.id));
        names.name(namespace.namespace(), &name)?;
        let inventory = inventory::file(std::slice::from_ref(instance))?;
        let setup = Setup::new(METADATAD, &[&name], inventory)?
            .option("netns_dir", &names.path().to_string_lossy());
        Ok(Self {
            daemon: Daemon::serving(setup, &[&name])?,
            _names: names,
            namespace,
        })
    }

    fn mac(&self) -> Result<String> {
        let line = format!("-oneline link show dev {}", self.namespace.interface);
        let text = self.namespace.namespace().ip(&line)?;
        let mut words = text
            .split_whitespace()
            .skip_while(|word| *word != "link/ether");
        Ok(words.nth(1).unwrap_or_default().to_owned())
    }

    fn answered(&self) -> Result<u64> {
        Ok(self.daemon.status()?["requests"]["200"]
            .as_u64()
            .unwrap_or(0))
    }
}

#[test]
fn dhcp_all_hosts_answer_and_none_gets_in_anothers_way() -> Result<()> {
    let network = Network::isolated(Subnet::TUTORIAL)?;
    let guest = network.guest(Subnet::TUTORIAL.guest)?;
    let instance = Instance::on_network(&guest, &network, "c1")?;
    let mut hosts = (0..HOSTS)
        .map(|number| Host::start(number, &network, &instance))
        .collect::<Result<Vec<_>>>()?;

    for host in &hosts {
        neighbour(
            &guest,
            &format!("replace {VIP} lladdr {} nud permanent", host.mac()?),
        )?;
        assert_is_of(&guest.get_ipv6(DOCUMENT)?, &instance)?;
        assert_eq!(host.answered()?, 1);
    }

    for round in 0..ROUNDS {
        forget(&guest)?;
        let mut stream = guest.connect_ipv6()?;
        // The other hosts' advertisements have come by now.
        sleep(Duration::from_millis(20));
        let response = http::get(&mut stream, DOCUMENT, "");
        assert_is_of(
            &response.map_err(|error| error.context(format!("round {round}")))?,
            &instance,
        )?;
    }

    neutrons_own_passes_its_detection(&network)?;

    // The hosts go, one after the other; who is left is found.
    while hosts.len() > 1 {
        hosts.remove(0);
        wait::until("another host answers", Duration::from_secs(20), || {
            forget(&guest)?;
            Ok(guest
                .get_ipv6(DOCUMENT)
                .is_ok_and(|response| response.status == 200))
        })?;
    }
    Ok(())
}

/// A dhcp-agent without metadatad looks for others that have the address, and serves
/// no IPv6 if it finds one (LP 1953165).
fn neutrons_own_passes_its_detection(network: &Network) -> Result<()> {
    let name = format!("neutrons-{}", unique::tag()?);
    let other = AgentNamespace::named(&name, network, Ipv4Addr::new(17, 17, 17, 99))?;
    let interface = &other.interface;
    let inside = other.namespace();
    // Whoever looks finds it still going on.
    inside.sysctl(&format!("ipv6/conf/{interface}/dad_transmits"), "3")?;
    inside.ip(&format!("address add {VIP}/64 dev {interface}"))?;
    let flags = || inside.ip(&format!("-6 address show dev {interface} to {VIP}"));
    assert!(flags()?.contains("tentative"), "detection is on");
    wait::until("detection is over", Duration::from_secs(30), || {
        let flags = flags()?;
        assert!(!flags.contains("dadfailed"), "{flags}");
        Ok(!flags.contains("tentative"))
    })
}

fn forget(guest: &Guest) -> Result<()> {
    neighbour(guest, "flush all nud permanent")?;
    neighbour(guest, "flush all")
}

fn neighbour(guest: &Guest, line: &str) -> Result<()> {
    let line = format!("-6 neighbour {line} dev eth0");
    guest.namespace().ip(&line).map(drop)
}
