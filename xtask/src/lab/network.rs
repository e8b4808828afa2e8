//! A network with several guests: one segment, behind one interface of a router or of
//! none, where guests can take each other's addresses.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::guest::Guest;
use super::namespace::Namespace;
use super::router::{Router, Subnet, VIP};
use super::unique;

/// A bridge, in a namespace of its own so that nothing else can touch it.
#[derive(Debug)]
pub struct Network {
    pub id: String,
    /// The interface of the router that leads here; empty without a router.
    pub router_interface: String,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// Arguments of `ip route add` by which guests reach the metadata address.
    route: String,
    segment: Namespace,
}

impl Network {
    /// The network of `subnet` behind `router`, without guests.
    ///
    /// # Errors
    /// When its namespace or its cable cannot be made.
    pub fn behind(router: &Router, subnet: Subnet) -> Result<Self> {
        let Subnet {
            gateway, prefix, ..
        } = subnet;
        let mut network = Self::create(prefix, format!("default via {gateway}"))?;
        let (segment, mac) = (&network.segment, unique::mac()?);
        let interface = router.cable(segment, &mac, &format!("{gateway}/{prefix}"))?;
        segment.ip("link set eth0 master br0")?;
        network.router_interface = interface;
        Ok(network)
    }

    /// The network of `subnet` without a router and without guests, who are told by
    /// DHCP to find the metadata address at the subnet's gateway, an agent's port.
    ///
    /// # Errors
    /// When its namespace cannot be made.
    pub fn isolated(subnet: Subnet) -> Result<Self> {
        let route = format!("{VIP}/32 via {}", subnet.gateway);
        Self::create(subnet.prefix, route)
    }

    fn create(prefix: u8, route: String) -> Result<Self> {
        let segment = Namespace::create(&format!("segment-{}", unique::tag()?))?;
        segment.ip("link add br0 type bridge mcast_snooping 0")?;
        segment.ip("link set br0 up")?;
        Ok(Self {
            id: unique::uuid()?,
            router_interface: String::new(),
            prefix,
            route,
            segment,
        })
    }

    /// Gives a namespace an interface of this name and MAC in the network, up.
    ///
    /// # Errors
    /// When the pair cannot be made.
    pub fn plug(&self, namespace: &Namespace, interface: &str, mac: &str) -> Result<()> {
        let port: String = format!("port{}", unique::tag()?).chars().take(15).collect();
        self.segment.ip(&format!(
            "link add {port} type veth peer name {interface} address {mac} netns {}",
            namespace.name()
        ))?;
        self.segment.ip(&format!("link set {port} master br0 up"))?;
        namespace.ip(&format!("link set {interface} up"))?;
        Ok(())
    }

    /// A guest with this address.
    ///
    /// # Errors
    /// When its namespace or its cable cannot be made.
    pub fn guest(&self, address: Ipv4Addr) -> Result<Guest> {
        let namespace = Namespace::create(&format!("guest-{}", unique::tag()?))?;
        let mac = unique::mac()?;
        // Nobody else has its addresses; the kernel would look for a second or two.
        for interfaces in ["all", "default"] {
            namespace.sysctl(&format!("ipv6/conf/{interfaces}/accept_dad"), "0")?;
        }
        self.plug(&namespace, "eth0", &mac)?;
        namespace.ip(&format!("address add {address}/{} dev eth0", self.prefix))?;
        namespace.ip(&format!("route add {}", self.route))?;
        Ok(Guest {
            address,
            mac,
            router_interface: self.router_interface.clone(),
            namespace,
        })
    }
}
