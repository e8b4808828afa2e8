//! The way to the metadata address: a local route, which the kernel makes for an address
//! on `lo`.
//!
//! Not a route of our own: with one of type local that it did not make itself, the kernel
//! looks up the source of every packet that it forwards, as long as the namespace lives
//! (`fib_has_custom_local_routes` in its net/ipv4/fib_frontend.c).

use metadata_ebpf::METADATA_ADDRESS;

use super::address::METRIC;
use crate::netlink::{InterfaceAddress, LOOPBACK, NamespaceSocket, NetlinkError};

/// The kernel and iproute2 leave 169 free, and it can be remembered; it is how
/// our routes are known from Neutron's and the operator's.
pub(super) const ROUTE_PROTOCOL: u8 = 169;

/// What the namespace already does for the metadata address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// Somebody put the address on an interface, as in Neutron's DHCP and OVN
    /// metadata namespaces.
    BySomebody,
    /// We put it on `lo`.
    ByUs,
    /// Packets to the address would be forwarded or rejected.
    None,
}

/// How the namespace reaches the metadata address now.
pub fn reachability(socket: &NamespaceSocket) -> Result<Reachability, NetlinkError> {
    let addresses = socket.addresses()?;
    if addresses.iter().any(is_ours) {
        return Ok(Reachability::ByUs);
    }
    if addresses.iter().any(|one| one.address == METADATA_ADDRESS) {
        return Ok(Reachability::BySomebody);
    }
    Ok(Reachability::None)
}

/// Puts the address on `lo` unless it is on some interface.
pub fn ensure_route(socket: &NamespaceSocket) -> Result<Reachability, NetlinkError> {
    match reachability(socket)? {
        Reachability::None => {}
        there => return Ok(there),
    }
    // The kernel makes no route over an interface that is down, as `lo` is in
    // a new namespace until Neutron, or nobody, brings it up.
    socket.bring_up(LOOPBACK)?;
    match socket.add_host_address(LOOPBACK, METADATA_ADDRESS, METRIC) {
        Err(error) if !error.already_exists() => Err(error),
        _ => Ok(Reachability::ByUs),
    }
}

/// Takes our address off `lo`; none there is no error.
pub fn remove_route(socket: &NamespaceSocket) -> Result<(), NetlinkError> {
    match reachability(socket)? {
        Reachability::ByUs => socket.delete_host_address(LOOPBACK, METADATA_ADDRESS),
        Reachability::BySomebody | Reachability::None => Ok(()),
    }
}

fn is_ours(one: &InterfaceAddress) -> bool {
    one.address == METADATA_ADDRESS && one.interface == LOOPBACK && one.metric == METRIC
}
