//! OVN makes the namespace on the host that a guest is about to move to: whoever
//! arrives is answered at once.

use anyhow::Result;
use xtask::lab::agent_namespace::{Agent, AgentNamespace};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::network::Network;
use xtask::lab::router::Subnet;

use crate::METADATAD;
use crate::place::assert_served;

#[test]
fn ovn() -> Result<()> {
    let subnet = Subnet::TUTORIAL;
    let network = Network::isolated(subnet)?;
    let mut daemon = Daemon::start(Setup::new(
        METADATAD,
        &[&format!("ovnmeta-{}", network.id)],
        inventory::file(&[])?,
    )?)?;
    let namespace = AgentNamespace::create(Agent::Ovn, &network, subnet.gateway)?;
    namespace.add_metadata_address()?;
    daemon.wait_serving(namespace.namespace().name())?;
    let guest = network.guest(subnet.guest)?;
    let instance = Instance::on_network(&guest, &network, "moved")?;
    std::fs::write(
        daemon.inventory_file(),
        inventory::file(std::slice::from_ref(&instance))?,
    )?;
    daemon.wait_log(&["inventory read", "instances=1"])?;
    // It says so before it tells the worker, and answers after that what the worker asks.
    daemon.status()?;
    assert_served(&guest, &instance)
}
