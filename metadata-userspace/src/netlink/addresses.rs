//! The addresses of a namespace.

use std::net::Ipv4Addr;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 8;
/// Unlike `IFA_ADDRESS`, the local end also on a point-to-point interface.
const IFA_LOCAL: u16 = 2;

impl NamespaceSocket {
    /// Every IPv4 address that an interface of the namespace carries.
    pub fn ipv4_addresses(&self) -> Result<Vec<Ipv4Addr>, NetlinkError> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        let listing = self.dump(RouteNetlinkMessage::GetAddress(message))?;
        Ok(listing
            .iter()
            .filter_map(|object| object.attribute(HEADER_SIZE, IFA_LOCAL))
            .filter_map(|value| <[u8; 4]>::try_from(value).ok())
            .map(Ipv4Addr::from)
            .collect())
    }
}
