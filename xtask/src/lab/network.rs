//! A network with several guests: one segment behind one interface of a router,
//! where guests can take each other's addresses.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::guest::Guest;
use super::namespace::Namespace;
use super::router::{Router, Subnet};
use super::unique;

/// A bridge, in a namespace of its own so that nothing else can touch it.
#[derive(Debug)]
pub struct Network {
    pub id: String,
    /// The interface of the router that leads here.
    pub router_interface: String,
    gateway: Ipv4Addr,
    prefix: u8,
    segment: Namespace,
}

impl Network {
    /// The network of `subnet` behind `router`, without guests.
    ///
    /// # Errors
    /// When its namespace or its cable cannot be made.
    pub fn behind(router: &Router, subnet: Subnet) -> Result<Self> {
        let segment = Namespace::create(&format!("segment-{}", unique::tag()?))?;
        let Subnet {
            gateway, prefix, ..
        } = subnet;
        segment.ip("link add br0 type bridge")?;
        segment.ip("link set br0 up")?;
        let mac = unique::mac()?;
        let router_interface = router.cable(&segment, &mac, &format!("{gateway}/{prefix}"))?;
        segment.ip("link set eth0 master br0")?;
        Ok(Self {
            id: unique::uuid()?,
            router_interface,
            gateway,
            prefix,
            segment,
        })
    }

    /// A guest with this address.
    ///
    /// # Errors
    /// When its namespace or its cable cannot be made.
    pub fn guest(&self, address: Ipv4Addr) -> Result<Guest> {
        let tag = unique::tag()?;
        let (namespace, mac) = (Namespace::create(&format!("guest-{tag}"))?, unique::mac()?);
        let port: String = format!("tap{tag}").chars().take(15).collect();
        self.segment.ip(&format!(
            "link add {port} type veth peer name eth0 address {mac} netns {}",
            namespace.name()
        ))?;
        self.segment.ip(&format!("link set {port} master br0 up"))?;
        namespace.ip("link set eth0 up")?;
        namespace.ip(&format!("address add {address}/{} dev eth0", self.prefix))?;
        namespace.ip(&format!("route add default via {}", self.gateway))?;
        Ok(Guest {
            address,
            mac,
            router_interface: self.router_interface.clone(),
            namespace,
        })
    }
}
