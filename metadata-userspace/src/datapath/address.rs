//! The IPv6 address that guests ask, on the interfaces behind which they are.

use metadata_ebpf::METADATA_ADDRESS_V6;

use super::route::ROUTE_PROTOCOL;
use crate::netlink::{InterfaceAddress, NamespaceSocket, NetlinkError};

/// How ours is known from the one that Neutron's DHCP and OVN agents make: the
/// metric of its route, since the protocol of an address (`IFA_PROTO`) is newer
/// than the oldest kernel (Linux 5.18).
pub(super) const METRIC: u32 = 169;
const PREFIX: u8 = 128;

/// Whether this is the metadata address, and put there by us.
pub fn is_our_address(address: &InterfaceAddress) -> bool {
    address.address == METADATA_ADDRESS_V6 && address.metric == METRIC
}

/// Puts the address on an interface, without duplicate address detection: every
/// host that serves a network has it. Its prefix is the one that Neutron's agents give
/// it (neutron_lib.constants.METADATA_V6_CIDR), which look for it. So a way to the
/// guests comes with it: interfaces of routers that are distributed and highly available,
/// and of OVN's networks without IPv6, have no link-local address that would bring one.
pub fn add_address(socket: &NamespaceSocket, interface: u32) -> Result<(), NetlinkError> {
    let address = (METADATA_ADDRESS_V6, PREFIX);
    unless_there(socket.add_ipv6_address(interface, address, METRIC))?;
    unless_there(socket.add_link_local_route(interface, ROUTE_PROTOCOL))
}

fn unless_there(outcome: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match outcome {
        Err(error) if error.already_exists() => Ok(()),
        other => other,
    }
}

/// Takes the address off an interface, whoever put it there.
pub fn remove_address(socket: &NamespaceSocket, interface: u32) -> Result<(), NetlinkError> {
    let is_there =
        |one: &&InterfaceAddress| one.interface == interface && one.address == METADATA_ADDRESS_V6;
    for address in socket.addresses()?.iter().filter(is_there) {
        socket.delete_ipv6_address(interface, (METADATA_ADDRESS_V6, address.prefix))?;
    }
    remove_way_to_guests(socket, interface)
}

/// Takes away the route that came with the address; none there is no error.
pub fn remove_way_to_guests(socket: &NamespaceSocket, interface: u32) -> Result<(), NetlinkError> {
    socket.delete_link_local_route(interface, ROUTE_PROTOCOL)
}

/// Takes every address of ours, and what came with it, out of the namespace.
pub fn remove_our_addresses(socket: &NamespaceSocket) -> Result<(), NetlinkError> {
    for address in socket.addresses()?.iter().filter(|one| is_our_address(one)) {
        socket.delete_ipv6_address(address.interface, (METADATA_ADDRESS_V6, address.prefix))?;
    }
    for interface in socket.ipv6_routes_of(ROUTE_PROTOCOL)? {
        socket.delete_link_local_route(interface, ROUTE_PROTOCOL)?;
    }
    Ok(())
}
