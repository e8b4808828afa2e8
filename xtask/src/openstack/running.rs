//! The cloud for the benchmarks: all of it as it is, only that the metadata agent may be
//! sent to another Nova or give way to metadatad.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::Flock;

use super::addresses;
use super::cloud::{self, Networks};
use super::crowd::Crowd;
use super::ours::{Hops, Ours};
use super::place::Place;
use super::record::Record;
use super::service::Service;
use super::services::{keystone, mariadb, neutron, nova, rabbitmq};
use super::{fabric, stopping, up};
use crate::lab::guest::Guest;
use crate::lab::{http, wait};

const PROXY_LIMIT: Duration = Duration::from_secs(120);
const NOVA_LIMIT: Duration = Duration::from_secs(60);

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

    /// Where Nova's metadata API listens.
    pub(crate) fn nova() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, addresses::NOVA_METADATA).into()
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
        let mut processes = vec![("haproxy", self.haproxy(&self.router(router)?)?)];
        for (shown, service) in [
            ("neutron-metadata-agent", neutron::METADATA_AGENT),
            ("neutron-rpc-server", neutron::RPC),
            ("mariadb", mariadb::NAME),
            ("rabbitmq", rabbitmq::NAME),
        ] {
            processes.push((shown, self.pid(service)?));
        }
        Ok(processes)
    }

    /// The processes that answer for Neutron and Nova, whoever asks, by name.
    ///
    /// # Errors
    /// When one does not run.
    pub(crate) fn servers(&self) -> Result<Vec<(&'static str, u32)>> {
        let names = [
            nova::NAME,
            neutron::API,
            neutron::RPC,
            keystone::NAME,
            mariadb::NAME,
            rabbitmq::NAME,
        ];
        let servers = names.map(|name| Ok((name, self.pid(name)?)));
        servers.into_iter().collect()
    }

    /// Neutron's own proxies of these routers, and the agent behind them.
    ///
    /// # Errors
    /// When one does not run.
    pub(crate) fn neutrons_hops(&self, routers: &[String]) -> Result<Vec<(&'static str, u32)>> {
        let proxies = routers.iter().map(|id| Ok(("haproxy", self.haproxy(id)?)));
        let mut hops = proxies.collect::<Result<Vec<_>>>()?;
        hops.push((neutron::METADATA_AGENT, self.pid(neutron::METADATA_AGENT)?));
        Ok(hops)
    }

    /// So many routers with so many guests each, all of them served by Neutron's hops.
    ///
    /// # Errors
    /// When Neutron, Nova or the kernel makes one of them not.
    pub(crate) fn crowd(&self, routers: usize, guests: usize) -> Result<Crowd> {
        let crowd = Crowd::gather(&self.place, routers, guests)?;
        wait::until("the routers have their proxies", PROXY_LIMIT, || {
            Ok(crowd.routers.iter().all(|id| self.haproxy(id).is_ok()))
        })?;
        Ok(crowd)
    }

    /// Until the returned value is dropped, Nova remembers instances as long as it does by
    /// default.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn nova_with_default_cache(&self) -> Result<OtherService<'_>> {
        let restored = OtherService(&self.place, nova::service(&self.place));
        nova::with_default_cache(&self.place)?.ensure(&self.place)?;
        nova_answers()?;
        Ok(restored)
    }

    /// Starts that Nova anew, so that it remembers nothing.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn restart_nova(&self) -> Result<()> {
        self.restart(&nova::with_default_cache(&self.place)?)?;
        nova_answers()
    }

    /// Starts Neutron's metadata agent anew: it has no queue then.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn restart_metadata_agent(&self) -> Result<()> {
        self.restart(&neutron::metadata_agent(&self.place))
    }

    /// Has metadatad serve these namespaces in the place of Neutron's proxies and agent,
    /// on Neutron's own configuration.
    ///
    /// # Errors
    /// When it does not come to serve them.
    pub(crate) fn served_by(&self, binary: &Path, namespaces: &[String]) -> Result<Served<'_>> {
        let agent = neutron::metadata_agent(&self.place);
        self.stop(agent.name)?;
        let agent = OtherService(&self.place, agent);
        let hops = Hops {
            namespaces: namespaces.to_vec(),
            resolver: Some("neutron-rpc"),
            ..Hops::default()
        };
        let mut ours = Ours::start(&self.place, binary, &hops)?;
        ours.wait_serving(namespaces)?;
        Ok(Served {
            ours,
            _agent: agent,
        })
    }

    fn restart(&self, service: &Service) -> Result<()> {
        self.stop(service.name)?;
        service.ensure(&self.place)
    }

    fn stop(&self, name: &str) -> Result<()> {
        match Record::load(&self.place, name) {
            Some(record) => stopping::stop(&self.place, name, &record),
            None => Ok(()),
        }
    }

    fn pid(&self, service: &str) -> Result<u32> {
        let record = Record::load(&self.place, service).filter(Record::is_alive);
        let record = record.with_context(|| format!("{service} does not run"))?;
        Ok(record.pid)
    }

    /// Restarts the metadata agent with a Nova at this loopback port, until the
    /// returned value is dropped.
    ///
    /// # Errors
    /// When the agent does not start.
    pub(crate) fn with_nova_at(&self, port: u16) -> Result<OtherService<'_>> {
        neutron::metadata_agent_with_nova_at(&self.place, port)?.ensure(&self.place)?;
        Ok(OtherService(
            &self.place,
            neutron::metadata_agent(&self.place),
        ))
    }

    fn router(&self, name: &str) -> Result<String> {
        let routers = Networks::load(&self.place)?.routers;
        let id = routers.get(name).cloned();
        id.with_context(|| format!("no router {name}"))
    }

    /// The l3-agent keeps the pid (neutron/agent/linux/external_process.py).
    fn haproxy(&self, router_id: &str) -> Result<u32> {
        let name = format!("{}/external/pids/{router_id}.pid.haproxy", neutron::STATE);
        let path = self.place.path(&name);
        let pid = fs::read_to_string(&path)
            .with_context(|| format!("no haproxy: cannot read {}", path.display()))?;
        Ok(pid.trim().parse()?)
    }
}

/// uwsgi listens before it has loaded what it serves, and ends badly meanwhile.
fn nova_answers() -> Result<()> {
    wait::until("Nova answers", NOVA_LIMIT, || {
        let Ok(mut stream) = TcpStream::connect(RunningCloud::nova()) else {
            return Ok(false);
        };
        http::set_timeouts(&stream, NOVA_LIMIT)?;
        Ok(http::get(&mut stream, "/", "").is_ok_and(|answer| answer.status == 200))
    })
}

/// While this lives, a service of the cloud is away or another one than it should be.
#[derive(Debug)]
pub(crate) struct OtherService<'a>(&'a Place, Service);

impl Drop for OtherService<'_> {
    fn drop(&mut self) {
        let Self(place, service) = self;
        if let Err(error) = service.ensure(place) {
            eprintln!("warning: {} is not what it was: {error:#}", service.name);
        }
    }
}

/// While this lives, metadatad serves.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    ours: Ours,
    /// Comes back after metadatad has gone, whose socket it takes.
    _agent: OtherService<'a>,
}

impl Served<'_> {
    /// Of the supervisor, whose child is the worker.
    pub(crate) fn pid(&self) -> u32 {
        self.ours.pid()
    }
}
