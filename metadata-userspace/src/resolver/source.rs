//! Where the directory's knowledge comes from.

use std::net::IpAddr;

use super::Asking;
use crate::identity::Port;

/// Which ports are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortQuery {
    /// UUIDs of the networks; never empty.
    pub networks: Vec<String>,
    /// Only ports with one of these fixed IPs; all ports when empty.
    pub addresses: Vec<IpAddr>,
}

/// A Neutron that can be asked.
pub trait PortSource: Send + Sync + 'static {
    /// For errors and logs, for example `neutron-rpc`.
    fn name(&self) -> &'static str;

    /// UUIDs of the networks to which the router has an internal interface, those
    /// of HA and distributed routers included, gateways not
    /// (neutron/agent/metadata/agent.py, `_get_router_networks`).
    fn router_networks<'a>(&'a self, router: &'a str) -> Asking<'a, Vec<String>>;

    /// The ports that `query` wants.
    fn ports<'a>(&'a self, query: &'a PortQuery) -> Asking<'a, Vec<Port>>;
}
