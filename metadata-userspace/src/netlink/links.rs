//! The interfaces of a namespace.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkMessage};

use super::{NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 16;
const IFLA_IFNAME: u16 = 3;

/// An interface, known by its index within its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub is_up: bool,
}

impl NamespaceSocket {
    /// Brings an interface up; one that is up stays so.
    pub fn bring_up(&self, index: u32) -> Result<(), NetlinkError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(link), 0)
    }

    /// Every interface of the namespace.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let listing = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        listing
            .iter()
            .map(|object| {
                let header = LinkHeader::parse(object.bytes())
                    .map_err(|error| NetlinkError::Malformed(error.to_string()))?;
                let name = object
                    .attribute(HEADER_SIZE, IFLA_IFNAME)
                    .unwrap_or_default();
                let name = name.strip_suffix(b"\0").unwrap_or(name);
                Ok(Link {
                    index: header.index,
                    name: String::from_utf8_lossy(name).into_owned(),
                    is_up: header.flags.contains(LinkFlags::Up),
                })
            })
            .collect()
    }
}
