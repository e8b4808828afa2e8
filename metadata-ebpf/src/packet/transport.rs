//! What an IP packet carries.

use super::Frame;

pub(super) const PROTOCOL_TCP: u8 = 6;
const HEADER_SIZE: usize = 20;
const FLAG_FIN: u8 = 0x01;
const FLAG_SYN: u8 = 0x02;
const FLAG_RST: u8 = 0x04;
const FLAG_ACK: u8 = 0x10;

/// A TCP header inside an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Bytes from the start of the frame.
    pub offset: usize,
    pub source_port: u16,
    pub destination_port: u16,
    /// The fixed header, checksum included. A first fragment may stop short of
    /// it.
    pub header: Option<[u8; HEADER_SIZE]>,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp(Tcp),
    /// A fragment of a TCP segment, without the ports.
    TcpFragment,
    /// An ICMPv6 message, whole or its first fragment, at this offset.
    Icmpv6(usize),
    Other,
    /// The packet ends early, or its lengths contradict each other.
    Truncated,
    /// More IPv6 extension headers than are parsed.
    TooManyHeaders,
}

impl Tcp {
    /// Whether this asks for a new connection.
    #[inline(always)]
    pub fn opens(&self) -> bool {
        self.header.is_some_and(|header| {
            let [.., flags, _, _, _, _, _, _] = header;
            flags & (FLAG_SYN | FLAG_ACK) == FLAG_SYN
        })
    }

    /// Whether no TCP sends a header like this: shorter than itself, or with a SYN
    /// that ends what it begins. What a fragment leaves out is not held against it.
    #[inline(always)]
    pub fn is_malformed(&self) -> bool {
        self.header.is_some_and(|header| {
            let [.., size, flags, _, _, _, _, _, _] = header;
            let is_too_short = usize::from(size >> 4) * 4 < HEADER_SIZE;
            let contradicts_itself = flags & FLAG_SYN != 0 && flags & (FLAG_FIN | FLAG_RST) != 0;
            is_too_short || contradicts_itself
        })
    }
}

/// The TCP header at `offset`, of which the packet holds `available` bytes.
#[inline(always)]
pub(super) fn tcp<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
    available: usize,
    is_first_fragment: bool,
) -> Transport {
    if available >= HEADER_SIZE {
        return match frame.read::<HEADER_SIZE>(offset) {
            Some(header) => Transport::Tcp(whole(offset, header)),
            None => Transport::Truncated,
        };
    }
    if available < 4 || !is_first_fragment {
        return Transport::Truncated;
    }
    match frame.read(offset) {
        Some([a, b, c, d]) => Transport::Tcp(Tcp {
            offset,
            source_port: u16::from_be_bytes([a, b]),
            destination_port: u16::from_be_bytes([c, d]),
            header: None,
        }),
        None => Transport::Truncated,
    }
}

#[inline(always)]
fn whole(offset: usize, header: [u8; HEADER_SIZE]) -> Tcp {
    let [a, b, c, d, ..] = header;
    Tcp {
        offset,
        source_port: u16::from_be_bytes([a, b]),
        destination_port: u16::from_be_bytes([c, d]),
        header: Some(header),
    }
}
