//! A namespace of any kind, a guest on its network, and a metadatad that serves it.

use std::path::Path;

use anyhow::Result;
use xtask::lab::agent_namespace::{Agent, AgentNamespace};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::namespace::Namespace;
use xtask::lab::network::Network;
use xtask::lab::router::{Router, Subnet};

use crate::{DOCUMENT, METADATAD};

/// Whose namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Router,
    Dhcp,
    Ovn,
}

/// The namespace in which requests arrive.
pub(crate) enum Home {
    Router(Router),
    Network(Agent, AgentNamespace),
}

impl Home {
    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Router(router) => router.namespace(),
            Self::Network(_, network) => network.namespace(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.namespace().name()
    }

    /// UUID of the router or network.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Router(router) => router.id(),
            Self::Network(_, network) => &network.network_id,
        }
    }

    /// Neutron's own proxy, as its agent starts it there, before the same agent socket.
    pub(crate) fn haproxy(&self, agent_socket: &Path) -> Result<Haproxy> {
        match self {
            Self::Router(router) => Haproxy::start(router, agent_socket),
            Self::Network(agent, network) => {
                Haproxy::start_for_network(*agent, network, agent_socket)
            }
        }
    }
}

/// A network with one guest, and where its requests arrive. The guest owns an instance.
pub(crate) struct Ground {
    pub(crate) guest: Guest,
    pub(crate) instance: Instance,
    /// Kept for the guest's sake.
    _network: Network,
    pub(crate) home: Home,
    /// The interface of the namespace that leads to the guest.
    pub(crate) interface: String,
}

impl Ground {
    pub(crate) fn create(kind: Kind) -> Result<Self> {
        Self::of(kind, Subnet::TUTORIAL, "c1")
    }

    pub(crate) fn of(kind: Kind, subnet: Subnet, name: &str) -> Result<Self> {
        let agent = match kind {
            Kind::Router => return Self::behind_router(subnet, name),
            Kind::Dhcp => Agent::Dhcp,
            Kind::Ovn => Agent::Ovn,
        };
        let network = Network::isolated(subnet)?;
        let namespace = AgentNamespace::create(agent, &network, subnet.gateway)?;
        namespace.add_metadata_address()?;
        let guest = network.guest(subnet.guest)?;
        Ok(Self {
            instance: Instance::on_network(&guest, &network, name)?,
            interface: namespace.interface.clone(),
            guest,
            _network: network,
            home: Home::Network(agent, namespace),
        })
    }

    fn behind_router(subnet: Subnet, name: &str) -> Result<Self> {
        let router = Router::create()?;
        let network = Network::behind(&router, subnet)?;
        let guest = network.guest(subnet.guest)?;
        Ok(Self {
            instance: Instance::of(&guest, &router, name)?.on(&network),
            interface: network.router_interface.clone(),
            guest,
            _network: network,
            home: Home::Router(router),
        })
    }

    /// A daemon for this namespace, not started.
    pub(crate) fn setup(&self) -> Result<Setup> {
        let inventory = inventory::file(std::slice::from_ref(&self.instance))?;
        Setup::new(METADATAD, &[self.home.name()], inventory)
    }

    pub(crate) fn served(self) -> Result<Place> {
        let setup = self.setup()?;
        self.served_by(setup)
    }

    pub(crate) fn served_by(self, setup: Setup) -> Result<Place> {
        let daemon = Daemon::serving(setup, &[self.home.name()])?;
        Ok(Place {
            daemon,
            ground: self,
        })
    }
}

/// A ground and the daemon that serves it, which is dropped first.
pub(crate) struct Place {
    pub(crate) daemon: Daemon,
    pub(crate) ground: Ground,
}

impl Place {
    pub(crate) fn create(kind: Kind) -> Result<Self> {
        Ground::create(kind)?.served()
    }

    pub(crate) fn guest(&self) -> &Guest {
        &self.ground.guest
    }

    /// A field of the namespace's state in `metadatad status`.
    pub(crate) fn state(&self, field: &str) -> Result<String> {
        let state = self.daemon.namespace(self.ground.home.name())?;
        let state = state.unwrap_or_default();
        Ok(state[field].as_str().unwrap_or_default().to_owned())
    }
}

/// Whether a response is this instance's own document.
pub(crate) fn assert_is_of(
    response: &xtask::lab::http::Response,
    instance: &Instance,
) -> Result<()> {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.json()?["uuid"], instance.uuid);
    Ok(())
}

/// The guest gets its own document over IPv4.
pub(crate) fn assert_served(guest: &Guest, instance: &Instance) -> Result<()> {
    assert_is_of(&guest.get(DOCUMENT)?, instance)
}
