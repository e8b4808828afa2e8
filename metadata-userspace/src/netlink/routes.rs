//! Routes of type `local`: addresses that the namespace answers for without
//! an interface that carries them.

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 12;
const RTA_DST: u16 = 1;
const RT_TABLE_LOCAL: u8 = 255;

/// `local ADDRESS/32 dev INTERFACE table local scope host proto PROTOCOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    pub address: Ipv4Addr,
    /// Tells whose route it is.
    pub protocol: u8,
}

impl NamespaceSocket {
    /// Adds a route by way of the interface with this index.
    pub fn add_local_route(&self, route: LocalRoute, interface: u32) -> Result<(), NetlinkError> {
        let mut message = route.message();
        message.attributes.push(RouteAttribute::Oif(interface));
        self.request(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Removes exactly this route, not one to the same address by somebody
    /// else.
    pub fn delete_local_route(&self, route: LocalRoute) -> Result<(), NetlinkError> {
        self.request(RouteNetlinkMessage::DelRoute(route.message()), 0)
    }

    /// Whether exactly this route exists.
    pub fn has_local_route(&self, route: LocalRoute) -> Result<bool, NetlinkError> {
        let mut message = route.message();
        message.header.destination_prefix_length = 0;
        message.header.scope = RouteScope::Universe;
        message.attributes.clear();
        let listing = self.dump(RouteNetlinkMessage::GetRoute(message))?;
        Ok(listing.iter().any(|object| {
            let is_ours = RouteHeader::parse(object.bytes()).is_ok_and(|header| {
                header.protocol == RouteProtocol::from(route.protocol)
                    && header.table == RT_TABLE_LOCAL
                    && header.kind == RouteType::Local
            });
            is_ours && object.attribute(HEADER_SIZE, RTA_DST) == Some(&route.address.octets())
        }))
    }
}

impl LocalRoute {
    fn message(self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.destination_prefix_length = 32;
        message.header.table = RT_TABLE_LOCAL;
        message.header.protocol = RouteProtocol::from(self.protocol);
        message.header.scope = RouteScope::Host;
        message.header.kind = RouteType::Local;
        message
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet(
                self.address,
            )));
        message
    }
}
