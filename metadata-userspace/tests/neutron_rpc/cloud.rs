//! A router with guests, a RabbitMQ, a Neutron server, and a metadatad that finds
//! the guests' instances by asking it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http::Response;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::rabbitmq::RabbitMq;
use xtask::lab::router::{Router, Subnet};

use crate::server::Server;

pub(super) const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const NETWORK: &str = "7b0e1a52-0d6c-4a43-8f6e-6d8c1f6a0001";

/// Fields are dropped in this order: the daemon first.
pub(super) struct Cloud {
    pub(super) daemon: Daemon,
    pub(super) guests: Vec<(Guest, Instance)>,
    pub(super) neutron: Server,
    pub(super) rabbit: RabbitMq,
    _router: Router,
}

impl Cloud {
    /// With so many guests, the first `known` of which Neutron knows.
    pub(super) fn with_guests(
        count: u8,
        known: usize,
        rabbit: RabbitMq,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let router = Router::create()?;
        let guests = (0..count)
            .map(|number| {
                let subnet = Subnet {
                    guest: Ipv4Addr::new(10, 77, number, 5),
                    gateway: Ipv4Addr::new(10, 77, number, 1),
                    prefix: 24,
                };
                let guest = Guest::behind(&router, subnet)?;
                let instance = Instance::of(&guest, &router, &format!("c{number}"))?;
                Ok((guest, instance))
            })
            .collect::<Result<Vec<_>>>()?;
        let neutron = Server::start(rabbit.port())?;
        neutron.add_ports([json!({
            "id": "interface", "network_id": NETWORK, "device_id": router.id(),
            "device_owner": "network:router_interface", "fixed_ips": [],
        })]);
        let known = guests.iter().take(known);
        neutron.add_ports(known.map(|(guest, instance)| port(guest, instance)));
        let instances: Vec<_> = guests
            .iter()
            .map(|(_, instance)| instance.clone())
            .collect();
        let namespace = router.namespace().name().to_owned();
        let setup = Setup::new(METADATAD, &[&namespace], inventory::file(&instances)?)?
            .option("resolver", "neutron-rpc")
            .option("identity_timeout", "5")
            .default_option("transport_url", &rabbit.url())
            .sections("[agent]\nreport_interval = 1.5\n");
        Ok(Self {
            daemon: Daemon::serving(change(setup), &[&namespace])?,
            guests,
            neutron,
            rabbit,
            _router: router,
        })
    }

    /// Has Neutron know one more of the guests.
    pub(super) fn introduce(&self, guest: usize) -> Result<()> {
        let (guest, instance) = self.guests.get(guest).context("no such guest")?;
        self.neutron.add_ports([port(guest, instance)]);
        Ok(())
    }

    /// What one of the guests gets.
    pub(super) fn ask(&self, guest: usize) -> Result<Response> {
        let (guest, _) = self.guests.get(guest).context("no such guest")?;
        guest.get(DOCUMENT)
    }

    /// Asks on behalf of a guest, which must get its own document.
    pub(super) fn serves(&self, guest: usize) -> Result<()> {
        let answer = self.ask(guest)?;
        let (_, instance) = self.guests.get(guest).context("no such guest")?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        anyhow::ensure!(answer.json()?["uuid"] == instance.uuid.as_str());
        Ok(())
    }

    /// Waits until a guest is served; nothing is restarted meanwhile.
    pub(super) fn comes_to_serve(&mut self, guest: usize) -> Result<()> {
        let (guest, instance) = self.guests.get(guest).context("no such guest")?;
        let waited = self.daemon.wait("the guest is served", |_| {
            let answer = guest.get(DOCUMENT)?;
            Ok(answer.status == 200 && answer.json()?["uuid"] == instance.uuid.as_str())
        });
        waited.with_context(|| self.daemon.log())
    }

    /// What `status` says of a dependency.
    pub(super) fn dependency(&self, name: &str) -> Result<Value> {
        let status = self.daemon.status()?;
        Ok(status["dependencies"][name].clone())
    }

    /// Waits until a dependency is up, or down with these words about it.
    pub(super) fn wait_dependency(&mut self, name: &str, problem: Option<&str>) -> Result<()> {
        let mut state = Value::Null;
        let waited = self.daemon.wait(&format!("{name}: {problem:?}"), |daemon| {
            state = daemon.status()?["dependencies"][name].clone();
            let said = state["problem"].as_str();
            Ok(match problem {
                None => state["up"] == true,
                Some(problem) => said.is_some_and(|said| said.contains(problem)),
            })
        });
        waited.with_context(|| format!("{name} is {state}"))
    }
}

/// As Neutron tells of a guest's port.
fn port(guest: &Guest, instance: &Instance) -> Value {
    json!({
        "id": instance.uuid, "network_id": NETWORK, "mac_address": guest.mac,
        "fixed_ips": [{"subnet_id": "s", "ip_address": guest.address}],
        "device_id": instance.uuid, "device_owner": "compute:nova",
        "project_id": instance.project_id, "tenant_id": instance.project_id,
        "status": "ACTIVE", "binding:vif_type": "ovs",
    })
}
