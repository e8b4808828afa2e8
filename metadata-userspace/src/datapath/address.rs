//! The IPv6 address that guests ask, on the interfaces behind which they are.

use metadata_ebpf::METADATA_ADDRESS_V6;

use crate::netlink::{InterfaceAddress, NamespaceSocket, NetlinkError};

/// How ours is known from the one that Neutron's DHCP and OVN agents make: the
/// metric of its route, since the protocol of an address (`IFA_PROTO`) is newer
/// than the oldest kernel (Linux 5.18).
const METRIC: u32 = 169;

/// Whether this is the metadata address, and put there by us.
pub fn is_our_address(address: &InterfaceAddress) -> bool {
    address.address == METADATA_ADDRESS_V6 && address.metric == METRIC
}

/// Puts the address on an interface, without duplicate address detection: every
/// host that serves a network has it.
pub fn add_address(
    socket: &NamespaceSocket,
    interface: u32,
    prefix: u8,
) -> Result<(), NetlinkError> {
    match socket.add_ipv6_address(interface, (METADATA_ADDRESS_V6, prefix), METRIC) {
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
    Ok(())
}

/// Takes every address of ours out of the namespace.
pub fn remove_our_addresses(socket: &NamespaceSocket) -> Result<(), NetlinkError> {
    for address in socket.addresses()?.iter().filter(|one| is_our_address(one)) {
        socket.delete_ipv6_address(address.interface, (METADATA_ADDRESS_V6, address.prefix))?;
    }
    Ok(())
}
