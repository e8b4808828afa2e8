//! A daemon with the ovn resolver, and the database it asks.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::http::{self, Response};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::ovsdb::southbound::{Network, Port};
use xtask::lab::ovsdb::{Database, OvsdbServer};
use xtask::lab::unique;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
pub(crate) const DOCUMENT: &str = "/openstack/latest/meta_data.json";
pub(crate) const MAC: &str = "fa:16:3e:00:00:05";

/// One network, two instances; ports are the test's.
pub(crate) struct Cloud {
    pub(crate) daemon: Daemon,
    pub(crate) southbound: OvsdbServer,
    pub(crate) network: Network,
    pub(crate) chassis: String,
    pub(crate) instances: [Instance; 2],
}

impl Cloud {
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(|setup| setup)
    }

    pub(crate) fn start_with(adapt: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let southbound = OvsdbServer::start(Database::Southbound)?;
        let connection = southbound.inet();
        let sections = format!("[ovn]\novn_sb_connection = {connection}\n");
        Self::on(southbound, &sections, adapt)?.connected()
    }

    /// No guest waits until the daemon has read what a database is like.
    pub(crate) fn connected(mut self) -> Result<Self> {
        self.wait_dependency("ovsdb", true)?;
        Ok(self)
    }

    /// With these sections in the configuration.
    pub(crate) fn on(
        southbound: OvsdbServer,
        sections: &str,
        adapt: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let network = southbound.add_network()?;
        let chassis = southbound.add_chassis("here")?;
        // The embedded API has to know them; who they are is the database's word.
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let router = unique::uuid()?;
        let instances = [
            Instance::at(&router, address, "fa:16:3e:ff:00:01", "first")?,
            Instance::at(
                &router,
                Ipv4Addr::new(192, 0, 2, 2),
                "fa:16:3e:ff:00:02",
                "second",
            )?,
        ];
        let setup = Setup::new(METADATAD, &["none"], inventory::file(&instances)?)?
            .option("resolver", "ovn")
            .option("identity_timeout", "2")
            .sections(sections);
        Ok(Self {
            daemon: Daemon::start(adapt(setup))?,
            southbound,
            network,
            chassis,
            instances,
        })
    }

    /// Binds a port to this host; returns its row.
    pub(crate) fn port(&self, address: &str, instance: &Instance) -> Result<String> {
        self.port_in(&self.network, address, instance)
    }

    pub(crate) fn port_in(
        &self,
        network: &Network,
        address: &str,
        instance: &Instance,
    ) -> Result<String> {
        let port = Port {
            address,
            mac: MAC,
            device: &instance.uuid,
            project: &instance.project_id,
            chassis: Some(&self.chassis),
        };
        self.southbound.add_port(network, &port)
    }

    /// What the network's proxy is answered when this address asks.
    pub(crate) fn get(&self, address: &str) -> Result<Response> {
        self.get_in(&self.network.id, address)
    }

    pub(crate) fn get_in(&self, network: &str, address: &str) -> Result<Response> {
        let mut stream = UnixStream::connect(self.daemon.agent_socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(40)))?;
        let headers = format!("X-Forwarded-For: {address}\r\nX-OVN-Network-ID: {network}\r\n");
        http::get(&mut stream, DOCUMENT, &headers)
    }

    pub(crate) fn assert_is(&self, address: &str, instance: &Instance) -> Result<()> {
        let answer = self.get(address)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["uuid"], instance.uuid);
        Ok(())
    }

    /// Waits until what the daemon was told last is too old to answer by: it asks the server
    /// again, which has heard by then of what was written to it.
    pub(crate) fn knowledge_grows_old(&self) {
        // The daemon's FRESH, and some more.
        thread::sleep(Duration::from_millis(250));
    }

    /// What `status` says of a dependency.
    pub(crate) fn dependency(&self, name: &str) -> Result<Value> {
        let status = self.daemon.status()?;
        let state = status.pointer(&format!("/dependencies/{name}"));
        Ok(state
            .with_context(|| format!("no {name} in {status}"))?
            .clone())
    }

    pub(crate) fn wait_dependency(&mut self, name: &str, up: bool) -> Result<()> {
        let pointer = format!("/dependencies/{name}/up");
        self.daemon.wait(&format!("{name} is up: {up}"), |daemon| {
            Ok(daemon.status()?.pointer(&pointer) == Some(&Value::from(up)))
        })
    }
}
