use super::Frame;
use super::transport::{PROTOCOL_TCP, Transport, tcp};
use crate::flow::Address;

const HEADER_SIZE: usize = 40;
/// RFC 8200 recommends six, each once, and destination options twice.
const MAX_EXTENSION_HEADERS: usize = 6;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;

const MORE_FRAGMENTS: u16 = 0x0001;
const FRAGMENT_OFFSET: u16 = 0xfff8;

/// The fixed IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    offset: usize,
    header: [u8; HEADER_SIZE],
}

impl Ipv6 {
    /// The header at `offset`, unless the frame ends before its end.
    #[inline(always)]
    pub fn read<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<Self> {
        let header = frame.read(offset)?;
        Some(Self { offset, header })
    }

    #[inline(always)]
    pub fn source(&self) -> Address {
        let (_, ends) = self.header.split_at(8);
        address(ends.first_chunk())
    }

    #[inline(always)]
    pub fn destination(&self) -> Address {
        address(self.header.last_chunk())
    }

    /// The transport header behind this one and its extension headers.
    #[inline(always)]
    pub fn transport<F: Frame + ?Sized>(&self, frame: &F) -> Transport {
        let [version, _, _, _, size_a, size_b, mut next, ..] = self.header;
        if version >> 4 != 6 {
            return Transport::Truncated;
        }
        let mut offset = self.offset + HEADER_SIZE;
        let end = end(offset, u16::from_be_bytes([size_a, size_b]));
        let mut is_first_fragment = false;
        for _ in 0..=MAX_EXTENSION_HEADERS {
            let kind = match next {
                PROTOCOL_TCP => {
                    let available = end.saturating_sub(offset);
                    return tcp(frame, offset, available, is_first_fragment);
                }
                ICMPV6 => return Transport::Icmpv6(offset),
                HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS => next,
                _ => return Transport::Other,
            };
            let Some([following, size, a, b]) = frame.read(offset) else {
                return Transport::Truncated;
            };
            if kind == FRAGMENT {
                let fragment = u16::from_be_bytes([a, b]);
                if fragment & FRAGMENT_OFFSET != 0 {
                    return later_fragment(following);
                }
                is_first_fragment = fragment & MORE_FRAGMENTS != 0;
            }
            offset += extension_size(kind, size);
            next = following;
        }
        Transport::TooManyHeaders
    }
}

#[inline(always)]
fn address(bytes: Option<&[u8; 16]>) -> Address {
    bytes.map_or(Address::UNSPECIFIED, |bytes| Address::new(*bytes))
}

/// Where the packet ends; what the frame carries beyond is padding.
#[inline(always)]
fn end(payload: usize, size: u16) -> usize {
    if size == 0 {
        // A jumbogram (RFC 2675), or a GSO packet of BIG TCP, with a jumbo
        // option or, since kernel commit 741d069aa488, without one.
        return usize::MAX;
    }
    payload + usize::from(size)
}

#[inline(always)]
fn extension_size(kind: u8, size: u8) -> usize {
    match kind {
        FRAGMENT => 8,
        AUTHENTICATION => (usize::from(size) + 2) * 4,
        _ => (usize::from(size) + 1) * 8,
    }
}

/// Behind a first fragment the chain of headers has ended already: Linux
/// refuses others since 5.10 (commit 2efdaaaf883a), as RFC 7112 demands.
#[inline(always)]
fn later_fragment(next: u8) -> Transport {
    match next {
        ICMPV6 => Transport::Other,
        _ => Transport::TcpFragment,
    }
}
