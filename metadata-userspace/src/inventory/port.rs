//! What is known about one port of an instance.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Cidr;
use crate::identity::MacAddr;

/// A port: how its instance is recognised, and what `network_data.json` says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryPort {
    pub id: Uuid,
    pub network_id: Uuid,
    /// Routers whose namespaces see this port's requests.
    pub router_ids: Vec<Uuid>,
    pub mac_address: MacAddr,
    pub mtu: Option<u32>,
    pub fixed_ips: Vec<FixedIp>,
    pub floating_ips: Vec<IpAddr>,
}

/// An address and how the guest is to come by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    pub address: IpAddr,
    pub assignment: Assignment,
    /// Present unless the assignment is [`Assignment::Dhcp`].
    pub cidr: Option<Cidr>,
    pub gateway: Option<IpAddr>,
    pub dns: Vec<IpAddr>,
    pub routes: Vec<Route>,
}

/// How a guest gets an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    /// It configures what `network_data.json` says.
    Static,
    Dhcp,
    Slaac,
    Dhcpv6Stateful,
    Dhcpv6Stateless,
}

/// A route beside the default one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub destination: Cidr,
    pub gateway: IpAddr,
}
