//! Namespaces of networks, as Neutron's dhcp-agent and OVN agent make them.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::namespace::Namespace;
use super::network::Network;
use super::router::VIP;
use super::unique;

/// Whose namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// `qdhcp-<network>` of the dhcp-agent.
    Dhcp,
    /// `ovnmeta-<network>` of the OVN metadata agent.
    Ovn,
}

/// A network's namespace, with its port in the network.
#[derive(Debug)]
pub struct AgentNamespace {
    pub network_id: String,
    pub interface: String,
    namespace: Namespace,
}

impl AgentNamespace {
    /// The namespace of `network`, whose port there has `address`, without the
    /// metadata address.
    ///
    /// # Errors
    /// When there is one already, or it cannot be made.
    pub fn create(agent: Agent, network: &Network, address: Ipv4Addr) -> Result<Self> {
        let prefix = match agent {
            Agent::Dhcp => "qdhcp",
            Agent::Ovn => "ovnmeta",
        };
        Self::named(&format!("{prefix}-{}", network.id), network, address)
    }

    /// One with a name of its own: another host's namespace of the same network.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn named(name: &str, network: &Network, address: Ipv4Addr) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        let port: String = unique::uuid()?.chars().take(11).collect();
        let interface = format!("tap{port}");
        network.plug(&namespace, &interface, &unique::mac()?)?;
        namespace.ip(&format!(
            "address add {address}/{} dev {interface}",
            network.prefix
        ))?;
        Ok(Self {
            network_id: network.id.clone(),
            interface,
            namespace,
        })
    }

    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What the agent does where it serves metadata.
    ///
    /// # Errors
    /// When the address is there already.
    pub fn add_metadata_address(&self) -> Result<()> {
        let line = format!("address add {VIP}/32 dev {}", self.interface);
        self.namespace.ip(&line).map(drop)
    }

    /// What it does when the network needs metadata from elsewhere.
    ///
    /// # Errors
    /// When the address is not there.
    pub fn remove_metadata_address(&self) -> Result<()> {
        let line = format!("address delete {VIP}/32 dev {}", self.interface);
        self.namespace.ip(&line).map(drop)
    }
}
