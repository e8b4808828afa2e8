//! The addresses of a namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Dumped, NamespaceSocket, NetlinkError};

const HEADER_SIZE: usize = 8;
const IFA_ADDRESS: u16 = 1;
/// Unlike `IFA_ADDRESS`, the local end also on a point-to-point interface; the
/// kernel leaves it out of most IPv6 addresses.
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub interface: u32,
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
    /// Metric of the route that the kernel made for it; 0 unless somebody chose one.
    pub metric: u32,
    pub flags: AddressFlags,
}

impl InterfaceAddress {
    /// Whether a socket can be bound to it: duplicate address detection is over
    /// and found nobody.
    pub fn is_usable(&self) -> bool {
        !self
            .flags
            .intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
    }

    /// Whether somebody else on the link was found to have it.
    pub fn is_duplicate(&self) -> bool {
        self.flags.contains(AddressFlags::Dadfailed)
    }

    fn read(object: &Dumped) -> Option<Self> {
        let header = AddressHeader::parse(object.bytes()).ok()?;
        let value = |kind| object.attribute(HEADER_SIZE, kind);
        let number = |kind| value(kind)?.try_into().ok().map(u32::from_ne_bytes);
        let flags = number(IFA_FLAGS).unwrap_or_else(|| header.flags.bits().into());
        Some(Self {
            interface: header.index,
            address: address(value(IFA_LOCAL).or_else(|| value(IFA_ADDRESS))?)?,
            prefix: header.prefix_len,
            metric: number(IFA_RT_PRIORITY).unwrap_or_default(),
            flags: AddressFlags::from_bits_retain(flags),
        })
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

impl NamespaceSocket {
    /// Every address of both families in the namespace.
    pub fn addresses(&self) -> Result<Vec<InterfaceAddress>, NetlinkError> {
        let listing = self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        Ok(listing.iter().filter_map(InterfaceAddress::read).collect())
    }

    /// Puts an IPv4 address on an interface, for nobody outside of this namespace: it
    /// becomes no packet's source by itself.
    pub fn add_host_address(
        &self,
        interface: u32,
        address: Ipv4Addr,
        metric: u32,
    ) -> Result<(), NetlinkError> {
        let mut message = host_address(interface, address);
        message
            .attributes
            .push(AddressAttribute::RoutePriority(metric));
        let request = RouteNetlinkMessage::NewAddress(message);
        self.request(request, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes it off the interface; none there is no error.
    pub fn delete_host_address(
        &self,
        interface: u32,
        address: Ipv4Addr,
    ) -> Result<(), NetlinkError> {
        self.delete_address(host_address(interface, address))
    }

    /// Puts an IPv6 address on an interface, to be used at once: without duplicate
    /// address detection, and without a route to others of its prefix.
    pub fn add_ipv6_address(
        &self,
        interface: u32,
        (address, prefix): (Ipv6Addr, u8),
        metric: u32,
    ) -> Result<(), NetlinkError> {
        let mut message = ipv6_address(interface, address, prefix);
        message.attributes.extend([
            AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute),
            AddressAttribute::RoutePriority(metric),
        ]);
        let request = RouteNetlinkMessage::NewAddress(message);
        match self.request(request, NLM_F_CREATE | NLM_F_EXCL) {
            // `addrconf_add_dev` in the kernel's net/ipv6/addrconf.c.
            Err(error) if error.errno() == Some(nix::libc::EACCES) => Err(NetlinkError::Ipv6Off),
            other => other,
        }
    }

    /// Takes an IPv6 address off an interface; none with this prefix is no error.
    pub fn delete_ipv6_address(
        &self,
        interface: u32,
        (address, prefix): (Ipv6Addr, u8),
    ) -> Result<(), NetlinkError> {
        self.delete_address(ipv6_address(interface, address, prefix))
    }

    fn delete_address(&self, message: AddressMessage) -> Result<(), NetlinkError> {
        match self.request(RouteNetlinkMessage::DelAddress(message), 0) {
            Err(error) if error.is_gone() || error.is_unavailable() => Ok(()),
            other => other,
        }
    }
}

fn host_address(interface: u32, address: Ipv4Addr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.scope = AddressScope::Host;
    message.header.index = interface;
    message.attributes = vec![AddressAttribute::Local(address.into())];
    message
}

fn ipv6_address(interface: u32, address: Ipv6Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = prefix;
    message.header.scope = AddressScope::Link;
    message.header.index = interface;
    message.attributes = vec![AddressAttribute::Local(address.into())];
    message
}
