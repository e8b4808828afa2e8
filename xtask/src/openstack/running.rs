//! The cloud for the benchmark: all of it as it is, only that the metadata agent
//! may be sent to another Nova.

use std::fs::{self, File};

use anyhow::{Context, Result};
use nix::fcntl::Flock;

use super::addresses;
use super::cloud::{self, Networks};
use super::place::Place;
use super::record::Record;
use super::services::{mariadb, neutron, rabbitmq};
use super::{fabric, up};
use crate::lab::guest::Guest;

/// A cloud that is up. It stays up.
#[derive(Debug)]
pub(crate) struct RunningCloud {
    place: Place,
    /// Nobody else changes the cloud meanwhile.
    _lock: Flock<File>,
}

impl RunningCloud {
    /// # Errors
    /// When something cannot be installed, started or made.
    pub(crate) fn ensure() -> Result<Self> {
        let place = Place::here();
        let lock = place.lock()?;
        up::ensure(&place)?;
        Ok(Self { place, _lock: lock })
    }

    /// The message bus, as `transport_url` has it.
    pub(crate) fn transport_url() -> String {
        addresses::transport_url()
    }

    /// The namespace of a router.
    ///
    /// # Errors
    /// When there is no such router.
    pub(crate) fn router_namespace(&self, name: &str) -> Result<String> {
        Ok(format!("qrouter-{}", self.router(name)?))
    }

    /// An instance, which has one port.
    ///
    /// # Errors
    /// When there is no such instance.
    pub(crate) fn guest(&self, name: &str) -> Result<Guest> {
        let instances = cloud::instances(&self.place)?;
        let instance = instances.get(name);
        let port = instance.and_then(|instance| instance.ports.first());
        let port = port.with_context(|| format!("no instance {name} with a port"))?;
        let addresses = port.addresses.iter();
        let address = addresses.copied().find_map(|address| match address {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        });
        let address = address.with_context(|| format!("{name} has no IPv4 address"))?;
        Ok(Guest::of_somebody(fabric::guest(name), address, &port.mac))
    }

    /// The processes behind a router's metadata address today, by name.
    ///
    /// # Errors
    /// When one does not run.
    pub(crate) fn path_processes(&self, router: &str) -> Result<Vec<(&'static str, u32)>> {
        let mut processes = vec![("haproxy", self.haproxy(router)?)];
        for (shown, service) in [
            ("neutron-metadata-agent", neutron::METADATA_AGENT),
            ("neutron-rpc-server", neutron::RPC),
            ("mariadb", mariadb::NAME),
            ("rabbitmq", rabbitmq::NAME),
        ] {
            let record = Record::load(&self.place, service).filter(Record::is_alive);
            let record = record.with_context(|| format!("{service} does not run"))?;
            processes.push((shown, record.pid));
        }
        Ok(processes)
    }

    /// Restarts the metadata agent with a Nova at this loopback port, until the
    /// returned value is dropped.
    ///
    /// # Errors
    /// When the agent does not start.
    pub(crate) fn with_nova_at(&self, port: u16) -> Result<OtherNova<'_>> {
        neutron::metadata_agent_with_nova_at(&self.place, port)?.ensure(&self.place)?;
        Ok(OtherNova(&self.place))
    }

    fn router(&self, name: &str) -> Result<String> {
        let routers = Networks::load(&self.place)?.routers;
        let id = routers.get(name).cloned();
        id.with_context(|| format!("no router {name}"))
    }

    /// The l3-agent keeps the pid (neutron/agent/linux/external_process.py).
    fn haproxy(&self, router: &str) -> Result<u32> {
        let id = self.router(router)?;
        let name = format!("{}/external/pids/{id}.pid.haproxy", neutron::STATE);
        let path = self.place.path(&name);
        let pid = fs::read_to_string(&path)
            .with_context(|| format!("no haproxy: cannot read {}", path.display()))?;
        Ok(pid.trim().parse()?)
    }
}

/// While this lives, Neutron's metadata agent asks another Nova.
#[derive(Debug)]
pub(crate) struct OtherNova<'a>(&'a Place);

impl Drop for OtherNova<'_> {
    fn drop(&mut self) {
        if let Err(error) = neutron::metadata_agent(self.0).ensure(self.0) {
            eprintln!("warning: neutron-metadata-agent is not what it was: {error:#}");
        }
    }
}
