//! The route that makes a namespace answer for the metadata address.

use metadata_ebpf::METADATA_ADDRESS;

use crate::netlink::{LocalRoute, NamespaceSocket, NetlinkError};

/// The kernel and iproute2 leave 169 free, and it can be remembered; it is how
/// our routes are known from Neutron's and the operator's.
pub(super) const ROUTE_PROTOCOL: u8 = 169;

/// `lo` is the first interface of every namespace (LOOPBACK_IFINDEX in the
/// kernel's include/net/flow.h).
const LOOPBACK: u32 = 1;

const ROUTE: LocalRoute = LocalRoute {
    address: METADATA_ADDRESS,
    protocol: ROUTE_PROTOCOL,
};

/// What the namespace already does for the metadata address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// An interface carries the address, as in Neutron's DHCP and OVN
    /// metadata namespaces: the kernel made the route.
    ByAddress,
    /// Our route is there.
    ByRoute,
    /// Packets to the address would be forwarded or rejected.
    None,
}

/// How the namespace reaches the metadata address now.
pub fn reachability(socket: &NamespaceSocket) -> Result<Reachability, NetlinkError> {
    if socket.has_local_route(ROUTE)? {
        return Ok(Reachability::ByRoute);
    }
    let addresses = socket.addresses()?;
    if addresses.iter().any(|one| one.address == METADATA_ADDRESS) {
        return Ok(Reachability::ByAddress);
    }
    Ok(Reachability::None)
}

/// Adds our route unless the namespace needs none.
pub fn ensure_route(socket: &NamespaceSocket) -> Result<Reachability, NetlinkError> {
    match reachability(socket)? {
        Reachability::None => {}
        there => return Ok(there),
    }
    // The kernel takes no route over an interface that is down, as `lo` is in
    // a new namespace until Neutron, or nobody, brings it up.
    socket.bring_up(LOOPBACK)?;
    match socket.add_local_route(ROUTE, LOOPBACK) {
        Err(error) if !error.already_exists() => Err(error),
        _ => Ok(Reachability::ByRoute),
    }
}

/// Removes our route; none there is no error.
pub fn remove_route(socket: &NamespaceSocket) -> Result<(), NetlinkError> {
    match socket.delete_local_route(ROUTE) {
        Err(error) if error.is_gone() => Ok(()),
        other => other,
    }
}
