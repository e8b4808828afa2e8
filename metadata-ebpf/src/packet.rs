//! Finding the IP and TCP headers of an Ethernet frame, with every read
//! checked against the frame's end.

mod ipv4;
mod ipv6;
mod transport;

pub use ipv4::Ipv4;
pub use ipv6::Ipv6;
pub use transport::{Tcp, Transport};

/// Where an Ethernet header names its sender.
pub(crate) const ETHERNET_SOURCE: usize = 6;
/// Where an Ethernet header without tags says what follows it.
pub(crate) const ETHERTYPE_OFFSET: usize = 12;
pub(crate) const ETHERNET_SIZE: usize = ETHERTYPE_OFFSET + 2;
pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(crate) const ETHERTYPE_QINQ: u16 = 0x88a8;
const VLAN_TAG_SIZE: usize = 4;
/// Tags that are looked behind. The kernel has taken the outermost one off
/// before TC, so this admits one more on the wire.
const MAX_VLAN_TAGS: usize = 4;

/// The readable bytes of a frame, from its Ethernet header on.
pub trait Frame {
    /// `N` bytes at `offset`, unless the frame ends before.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

impl Frame for [u8] {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let end = offset.checked_add(N)?;
        self.get(offset..end)?.try_into().ok()
    }
}

/// What stands behind the Ethernet header and its VLAN tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// An IPv4 header should start at this offset.
    Ipv4(usize),
    /// An IPv6 header should start at this offset.
    Ipv6(usize),
    /// ARP and everything else.
    Other,
    /// The frame ends before this can be told.
    Truncated,
    /// More tags than are parsed.
    TooManyTags,
}

/// Looks behind the VLAN tags of a frame.
#[inline(always)]
pub fn network<F: Frame + ?Sized>(frame: &F) -> Network {
    let mut offset = ETHERTYPE_OFFSET;
    for _ in 0..=MAX_VLAN_TAGS {
        let Some(ethertype) = frame.read(offset) else {
            return Network::Truncated;
        };
        match u16::from_be_bytes(ethertype) {
            ETHERTYPE_IPV4 => return Network::Ipv4(offset + 2),
            ETHERTYPE_IPV6 => return Network::Ipv6(offset + 2),
            ETHERTYPE_VLAN | ETHERTYPE_QINQ => offset += VLAN_TAG_SIZE,
            _ => return Network::Other,
        }
    }
    Network::TooManyTags
}
