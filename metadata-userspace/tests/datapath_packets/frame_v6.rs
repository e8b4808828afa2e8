//! IPv6 frames as guests and the proxy send them.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use etherparse::{IpNumber, Ipv6FlowLabel, Ipv6Header, TcpHeader};

use crate::frame::OTHER_PORT;

pub(crate) const GUEST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1234, 0x56ff, 0xfe78, 5);
pub(crate) const METADATA: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
use crate::frame::GUEST_PORT;

const TCP: u8 = 6;
const ICMPV6: u8 = 58;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// `lo`, over which the kernel pretends that frames come.
const SCOPE: u32 = 1;

/// The guest's end of a connection.
pub(crate) fn guest(port: u16) -> SocketAddr {
    SocketAddrV6::new(GUEST, port, 0, SCOPE).into()
}

/// The proxy's end of a connection.
pub(crate) fn metadata(port: u16) -> SocketAddr {
    SocketAddrV6::new(METADATA, port, 0, SCOPE).into()
}

/// A TCP segment in an IPv6 packet in an Ethernet frame.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Ethertype and tag control, from the outermost tag inwards.
    pub vlan_tags: Vec<(u16, u16)>,
    /// Number of each extension header, and what stands behind its first byte.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub source: (Ipv6Addr, u16),
    pub destination: (Ipv6Addr, u16),
    pub opens: bool,
    pub payload: Vec<u8>,
}

/// An extension header of this kind and size.
pub(crate) fn extension(kind: u8, size: usize) -> (u8, Vec<u8>) {
    let mut rest = vec![0; size - 1];
    rest[0] = match kind {
        FRAGMENT => 0,
        AUTHENTICATION => u8::try_from(size / 4 - 2).unwrap(),
        _ => u8::try_from(size / 8 - 1).unwrap(),
    };
    (kind, rest)
}

/// A fragment header; `offset` is in units of eight bytes.
pub(crate) fn fragment(offset: u16, more: bool) -> (u8, Vec<u8>) {
    let (kind, mut rest) = extension(FRAGMENT, 8);
    rest[1..3].copy_from_slice(&(offset << 3 | u16::from(more)).to_be_bytes());
    (kind, rest)
}

impl Segment {
    /// From the guest to this port of the metadata address.
    pub(crate) fn to_metadata(port: u16) -> Self {
        Self {
            vlan_tags: Vec::new(),
            extensions: Vec::new(),
            source: (GUEST, GUEST_PORT),
            destination: (METADATA, port),
            opens: false,
            payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        }
    }

    /// From this port of the metadata address to the guest.
    pub(crate) fn from_metadata(port: u16) -> Self {
        let request = Self::to_metadata(port);
        Self {
            source: request.destination,
            destination: request.source,
            ..request
        }
    }

    pub(crate) fn opening(mut self) -> Self {
        self.source.1 = OTHER_PORT;
        Self {
            opens: true,
            payload: Vec::new(),
            ..self
        }
    }

    pub(crate) fn with_extensions(self, extensions: &[(u8, Vec<u8>)]) -> Self {
        let extensions = extensions.to_vec();
        Self { extensions, ..self }
    }

    pub(crate) fn with_tags(self, vlan_tags: &[(u16, u16)]) -> Self {
        let vlan_tags = vlan_tags.to_vec();
        Self { vlan_tags, ..self }
    }

    /// The same segment to another port.
    pub(crate) fn to(&self, port: u16) -> Self {
        let mut other = self.clone();
        other.destination.1 = port;
        other
    }

    /// The same segment from another port.
    pub(crate) fn from(&self, port: u16) -> Self {
        let mut other = self.clone();
        other.source.1 = port;
        other
    }

    /// Bytes up to the end of the TCP header.
    pub(crate) fn headers(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(|(_, rest)| rest.len() + 1).sum();
        self.link_size() + 40 + extensions + 20
    }

    /// Bytes in front of the IPv6 header.
    pub(crate) fn link_size(&self) -> usize {
        14 + 4 * self.vlan_tags.len()
    }

    /// The frame, with right checksums.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut tcp = TcpHeader::new(self.source.1, self.destination.1, 1_000, 65_000);
        tcp.ack = !self.opens;
        tcp.syn = self.opens;
        let whole = packet(self.source.0, self.destination.0, TCP, 0);
        tcp.checksum = tcp.calc_checksum_ipv6(&whole, &self.payload).unwrap();
        let mut inside = Vec::new();
        let following = self.extensions.iter().skip(1).map(|(kind, _)| *kind);
        for (next, (_, rest)) in following.chain([TCP]).zip(&self.extensions) {
            inside.push(next);
            inside.extend(rest);
        }
        tcp.write(&mut inside).unwrap();
        inside.extend(&self.payload);
        let first = self.extensions.first().map_or(TCP, |(kind, _)| *kind);
        let header = packet(self.source.0, self.destination.0, first, inside.len());
        link(&self.vlan_tags, &header, &inside)
    }
}

/// A message of neighbour discovery about `target`, with the right checksum.
pub(crate) fn neighbour(
    kind: u8,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    flags: u8,
    target: Ipv6Addr,
) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    // The sender's link-layer address.
    message.extend([2, 1, 2, 2, 2, 2, 2, 2]);
    let checksum = etherparse::checksum::Sum16BitWords::new()
        .add_16bytes(source.octets())
        .add_16bytes(destination.octets())
        .add_4bytes(u32::try_from(message.len()).unwrap().to_be_bytes())
        .add_2bytes([0, ICMPV6])
        .add_slice(&message)
        .ones_complement();
    message[2..4].copy_from_slice(&checksum.to_be_bytes().map(|byte| byte));
    if cfg!(target_endian = "little") {
        message[2..4].reverse();
    }
    let header = packet(source, destination, ICMPV6, message.len());
    link(&[], &header, &message)
}

fn packet(source: Ipv6Addr, destination: Ipv6Addr, next: u8, payload: usize) -> Ipv6Header {
    Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: u16::try_from(payload).unwrap(),
        next_header: IpNumber(next),
        hop_limit: 255,
        source: source.octets(),
        destination: destination.octets(),
    }
}

fn link(vlan_tags: &[(u16, u16)], header: &Ipv6Header, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x02; 12];
    for (ethertype, control) in vlan_tags {
        frame.extend(ethertype.to_be_bytes());
        frame.extend(control.to_be_bytes());
    }
    frame.extend(0x86dd_u16.to_be_bytes());
    header.write(&mut frame).unwrap();
    frame.extend(payload);
    frame
}
