//! Frames as guests and the proxy send them.

use std::net::Ipv4Addr;

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, TcpHeader};

pub(crate) const GUEST: Ipv4Addr = Ipv4Addr::new(17, 17, 17, 5);
pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Of a connection that the proxy has.
pub(crate) const GUEST_PORT: u16 = 41_000;
/// Of no connection.
pub(crate) const OTHER_PORT: u16 = 41_001;

const ETHERTYPE_IPV4: u16 = 0x0800;

/// A TCP segment in an IPv4 packet in an Ethernet frame.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Ethertype and tag control, from the outermost tag inwards.
    pub vlan_tags: Vec<(u16, u16)>,
    /// Bytes of IPv4 options, a multiple of four.
    pub options: usize,
    pub source: (Ipv4Addr, u16),
    pub destination: (Ipv4Addr, u16),
    pub more_fragments: bool,
    /// In units of eight bytes.
    pub fragment_offset: u16,
    /// Whether it asks for a connection; else it is part of one.
    pub opens: bool,
    pub payload: Vec<u8>,
}

impl Segment {
    /// From the guest to this port of the metadata address.
    pub(crate) fn to_metadata(port: u16) -> Self {
        Self {
            vlan_tags: Vec::new(),
            options: 0,
            source: (GUEST, GUEST_PORT),
            destination: (METADATA, port),
            more_fragments: false,
            fragment_offset: 0,
            opens: false,
            payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        }
    }

    /// The first segment of a connection, from another port than that of the
    /// connection which is there.
    pub(crate) fn opening(mut self) -> Self {
        self.source.1 = OTHER_PORT;
        Self {
            opens: true,
            payload: Vec::new(),
            ..self
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

    pub(crate) fn with_tags(self, vlan_tags: &[(u16, u16)]) -> Self {
        let vlan_tags = vlan_tags.to_vec();
        Self { vlan_tags, ..self }
    }

    pub(crate) fn with_options(self, options: usize) -> Self {
        Self { options, ..self }
    }

    pub(crate) fn into_fragment(self, fragment_offset: u16, more_fragments: bool) -> Self {
        Self {
            fragment_offset,
            more_fragments,
            ..self
        }
    }

    /// Bytes in front of the IPv4 header.
    pub(crate) fn link_size(&self) -> usize {
        14 + 4 * self.vlan_tags.len()
    }

    /// The frame, with right checksums.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut tcp = TcpHeader::new(self.source.1, self.destination.1, 1_000, 65_000);
        tcp.ack = !self.opens;
        tcp.syn = self.opens;
        let ip = self.ip_header(tcp.header_len() + self.payload.len());
        tcp.checksum = tcp.calc_checksum_ipv4(&ip, &self.payload).unwrap();
        let mut frame = vec![0x02; 12];
        for (ethertype, control) in &self.vlan_tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(control.to_be_bytes());
        }
        frame.extend(ETHERTYPE_IPV4.to_be_bytes());
        ip.write(&mut frame).unwrap();
        tcp.write(&mut frame).unwrap();
        frame.extend(&self.payload);
        frame
    }

    fn ip_header(&self, payload: usize) -> Ipv4Header {
        let payload = u16::try_from(payload + self.options).unwrap();
        let (source, destination) = (self.source.0.octets(), self.destination.0.octets());
        let mut ip = Ipv4Header::new(payload, 64, IpNumber::TCP, source, destination).unwrap();
        // No-operation options.
        ip.options = Ipv4Options::try_from(vec![1; self.options].as_slice()).unwrap();
        ip.more_fragments = self.more_fragments;
        ip.fragment_offset = IpFragOffset::try_new(self.fragment_offset).unwrap();
        ip.header_checksum = ip.calc_header_checksum();
        ip
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
}
