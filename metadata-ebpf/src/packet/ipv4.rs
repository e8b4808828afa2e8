use super::Frame;
use super::transport::{PROTOCOL_TCP, Transport, tcp};
use crate::flow::Address;

const HEADER_SIZE: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// The fixed part of an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    offset: usize,
    header: [u8; HEADER_SIZE],
}

impl Ipv4 {
    /// The header at `offset`, unless the frame ends before its end.
    #[inline(always)]
    pub fn read<F: Frame + ?Sized>(frame: &F, offset: usize) -> Option<Self> {
        let header = frame.read(offset)?;
        Some(Self { offset, header })
    }

    #[inline(always)]
    pub fn source(&self) -> Address {
        let [.., a, b, c, d, _, _, _, _] = self.header;
        Address::mapped([a, b, c, d])
    }

    #[inline(always)]
    pub fn destination(&self) -> Address {
        let [.., a, b, c, d] = self.header;
        Address::mapped([a, b, c, d])
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
        if version_and_size >> 4 != 4 || size < HEADER_SIZE {
            return Transport::Truncated;
        }
        if protocol != PROTOCOL_TCP {
            return Transport::Other;
        }
        let fragment = u16::from_be_bytes([frag_a, frag_b]);
        if fragment & FRAGMENT_OFFSET != 0 {
            return Transport::TcpFragment;
        }
        let payload = payload_size(u16::from_be_bytes([total_a, total_b]), size);
        let is_first_fragment = fragment & MORE_FRAGMENTS != 0;
        tcp(frame, self.offset + size, payload, is_first_fragment)
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
