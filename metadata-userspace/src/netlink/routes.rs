//! Routes to the neighbours behind an interface.

use std::net::Ipv6Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Dumped, NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 12;
const RTA_OIF: u16 = 4;
const RT_TABLE_MAIN: u8 = 254;
const LINK_LOCAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
/// Behind the kernel's own route, which has 256.
const LINK_LOCAL_METRIC: u32 = 1024;

impl NamespaceSocket {
    /// Adds `fe80::/64 dev INTERFACE proto PROTOCOL`, which the kernel makes only for
    /// interfaces with a link-local address of that prefix.
    pub fn add_link_local_route(&self, interface: u32, protocol: u8) -> Result<(), NetlinkError> {
        let request = RouteNetlinkMessage::NewRoute(link_local_route(interface, protocol));
        self.request(request, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Removes it; none there is no error, nor is a kernel without IPv6.
    pub fn delete_link_local_route(
        &self,
        interface: u32,
        protocol: u8,
    ) -> Result<(), NetlinkError> {
        let request = RouteNetlinkMessage::DelRoute(link_local_route(interface, protocol));
        match self.request(request, 0) {
            Err(error) if error.is_gone() || error.is_unsupported() => Ok(()),
            other => other,
        }
    }

    /// Interfaces with an IPv6 route of this protocol.
    pub fn ipv6_routes_of(&self, protocol: u8) -> Result<Vec<u32>, NetlinkError> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet6;
        let listing = self.dump(RouteNetlinkMessage::GetRoute(message))?;
        let is_wanted = |object: &&Dumped| {
            RouteHeader::parse(object.bytes())
                .is_ok_and(|header| header.protocol == RouteProtocol::from(protocol))
        };
        let interface = |object: &Dumped| {
            let value = object.attribute(HEADER_SIZE, RTA_OIF)?;
            Some(u32::from_ne_bytes(value.try_into().ok()?))
        };
        let wanted = listing.iter().filter(is_wanted);
        Ok(wanted.filter_map(interface).collect())
    }
}

fn link_local_route(interface: u32, protocol: u8) -> RouteMessage {
    let (address, prefix) = LINK_LOCAL;
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = prefix;
    message.header.table = RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::from(protocol);
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet6(address)),
        RouteAttribute::Oif(interface),
        RouteAttribute::Priority(LINK_LOCAL_METRIC),
    ];
    message
}
