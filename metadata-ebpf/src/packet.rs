//! Finding the IPv4 and TCP headers of an Ethernet frame, with every read
//! checked against the frame's end.

use core::net::Ipv4Addr;

const ETHERTYPE_OFFSET: usize = 12;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const VLAN_TAG_SIZE: usize = 4;
/// Tags that are looked behind. The kernel has taken the outermost one off
/// before TC, so this admits one more on the wire.
const MAX_VLAN_TAGS: usize = 4;

const IPV4_HEADER_SIZE: usize = 20;
const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
const IPV4_FRAGMENT_OFFSET: u16 = 0x1fff;
const PROTOCOL_TCP: u8 = 6;
const TCP_HEADER_SIZE: usize = 20;

/// Bytes that hold every header that may be read, however many tags and
/// options a frame carries.
pub const MAX_HEADERS_SIZE: usize =
    ETHERTYPE_OFFSET + 2 + MAX_VLAN_TAGS * VLAN_TAG_SIZE + 60 + TCP_HEADER_SIZE;

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
    /// IPv6, ARP and everything else.
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
            ETHERTYPE_VLAN | ETHERTYPE_QINQ => offset += VLAN_TAG_SIZE,
            _ => return Network::Other,
        }
    }
    Network::TooManyTags
}

/// The fixed part of an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    offset: usize,
    header: [u8; IPV4_HEADER_SIZE],
}

/// A TCP header inside an IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Bytes from the start of the frame.
    pub offset: usize,
    pub source_port: u16,
    pub destination_port: u16,
    /// Whether the packet holds the whole fixed header, checksum included. A
    /// first fragment may stop short of it.
    pub is_whole: bool,
}

/// What an IPv4 packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp(Tcp),
    /// A fragment of a TCP segment, without the ports.
    TcpFragment,
    Other,
    /// The packet ends early, or its lengths contradict each other.
    Truncated,
}

impl Ipv4 {
    /// The header at `offset`, unless the frame ends before its end.
    #[inline(always)]
    pub fn read<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<Self> {
        let header = frame.read(offset)?;
        Some(Self { offset, header })
    }

    #[inline(always)]
    pub fn source(&self) -> Ipv4Addr {
        let [.., a, b, c, d, _, _, _, _] = self.header;
        Ipv4Addr::new(a, b, c, d)
    }

    #[inline(always)]
    pub fn destination(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = self.header;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The transport header behind this one and its options.
    #[inline(always)]
    pub fn transport<F: Frame + ?Sized>(&self, frame: &F) -> Transport {
        let [
            version_and_size,
            _,
            total_a,
            total_b,
            _,
            _,
            frag_a,
            frag_b,
            _,
            protocol,
            ..,
        ] = self.header;
        let size = usize::from(version_and_size & 0x0f) * 4;
        if version_and_size >> 4 != 4 || size < IPV4_HEADER_SIZE {
            return Transport::Truncated;
        }
        if protocol != PROTOCOL_TCP {
            return Transport::Other;
        }
        let fragment = u16::from_be_bytes([frag_a, frag_b]);
        if fragment & IPV4_FRAGMENT_OFFSET != 0 {
            return Transport::TcpFragment;
        }
        let payload = payload_size(u16::from_be_bytes([total_a, total_b]), size);
        let tcp = self.tcp(frame, size, payload);
        match tcp {
            Some(tcp) if tcp.is_whole || fragment & IPV4_MORE_FRAGMENTS != 0 => Transport::Tcp(tcp),
            _ => Transport::Truncated,
        }
    }

    #[inline(always)]
    fn tcp<F: Frame + ?Sized>(&self, frame: &F, size: usize, payload: usize) -> Option<Tcp> {
        let offset = self.offset + size;
        if payload < 4 {
            return None;
        }
        let [source_a, source_b, destination_a, destination_b] = frame.read(offset)?;
        let is_whole = payload >= TCP_HEADER_SIZE;
        if is_whole {
            frame.read::<TCP_HEADER_SIZE>(offset)?;
        }
        Some(Tcp {
            offset,
            source_port: u16::from_be_bytes([source_a, source_b]),
            destination_port: u16::from_be_bytes([destination_a, destination_b]),
            is_whole,
        })
    }
}

/// Bytes behind the IPv4 header; what the frame carries beyond them is padding.
#[inline(always)]
fn payload_size(total: u16, header: usize) -> usize {
    if total == 0 {
        // IPv4 BIG TCP: a GSO packet of more than 64 KiB says 0 (kernel
        // commit b1a78b9b9886, Linux 6.3).
        return usize::MAX;
    }
    usize::from(total).saturating_sub(header)
}
