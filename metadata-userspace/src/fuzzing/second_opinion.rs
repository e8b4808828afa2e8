//! What another parser makes of a frame.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// 0x9100, which was a tag before 802.1ad, and is none to Linux.
const OLD_TAG: [u8; 2] = [0x91, 0x00];

/// An unfragmented TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) source: (IpAddr, u16),
    pub(super) destination: (IpAddr, u16),
    /// Bytes of the frame before it.
    pub(super) offset: usize,
    /// Of IPv6, before it.
    pub(super) extension_headers: usize,
}

/// The packet in a frame, behind no other tags than those that Linux knows.
fn packet(frame: &[u8]) -> Option<SlicedPacket<'_>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let tags = packet.link_exts.len();
    let types = frame.get(12..)?.chunks(4).take(tags);
    let is_known = |tag: &[u8]| !tag.starts_with(&OLD_TAG);
    (packet.vlan_ids().len() == tags && types.into_iter().all(is_known)).then_some(packet)
}

pub(super) fn is_ip(frame: &[u8]) -> bool {
    packet(frame)
        .and_then(|packet| packet.net)
        .is_some_and(|net| net.is_ip())
}

pub(super) fn segment(frame: &[u8]) -> Option<Segment> {
    let packet = packet(frame)?;
    let TransportSlice::Tcp(tcp) = packet.transport? else {
        return None;
    };
    let mut extension_headers = 0;
    let (source, destination): (IpAddr, IpAddr) = match packet.net? {
        // Linux delivers nothing behind an authentication header that it cannot check.
        NetSlice::Ipv4(ip) if ip.extensions().is_empty() => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into())
        }
        NetSlice::Ipv6(ip) => {
            extension_headers = ip.extensions().clone().into_iter().count();
            let ip = ip.header();
            (ip.source().into(), ip.destination().into())
        }
        NetSlice::Ipv4(_) | NetSlice::Arp(_) => return None,
    };
    Some(Segment {
        source: (source, tcp.source_port()),
        destination: (destination, tcp.destination_port()),
        offset: tcp.slice().as_ptr().addr() - frame.as_ptr().addr(),
        extension_headers,
    })
}
