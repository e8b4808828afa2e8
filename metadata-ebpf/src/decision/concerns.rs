//! Dismissing other people's frames. Nearly every frame is one, so this is
//! what the programs cost: two or three reads at places known beforehand.

use crate::packet::{
    ETHERNET_SIZE, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_OFFSET, ETHERTYPE_QINQ,
    ETHERTYPE_VLAN, Frame,
};
use crate::{METADATA_ADDRESS, METADATA_ADDRESS_V6};

const IPV4_SOURCE: usize = ETHERNET_SIZE + 12;
const IPV4_DESTINATION: usize = ETHERNET_SIZE + 16;
const METADATA_V4: u32 = u32::from_ne_bytes(METADATA_ADDRESS.octets());
/// Of the address's sixteen bytes, the last two.
const METADATA_END: [u8; 2] = {
    let [.., a, b] = METADATA_ADDRESS_V6.octets();
    [a, b]
};
const IPV6_SOURCE_END: usize = ETHERNET_SIZE + 22;
const IPV6_DESTINATION_END: usize = ETHERNET_SIZE + 38;

/// False if an ingress frame cannot concern metadata.
#[inline(always)]
pub fn may_go_to_metadata<F: Frame + ?Sized>(frame: &F) -> bool {
    may_bear_metadata(frame, IPV4_DESTINATION, IPV6_DESTINATION_END)
}

/// False if an egress frame cannot concern metadata.
#[inline(always)]
pub fn may_come_from_metadata<F: Frame + ?Sized>(frame: &F) -> bool {
    may_bear_metadata(frame, IPV4_SOURCE, IPV6_SOURCE_END)
}

/// The metadata address and its solicited-node group end in the same two
/// bytes, so these suffice for IPv6. What cannot be read here is looked at
/// more closely.
#[inline(always)]
fn may_bear_metadata<F: Frame + ?Sized>(frame: &F, ipv4: usize, ipv6_end: usize) -> bool {
    let Some(ethertype) = frame.read(ETHERTYPE_OFFSET) else {
        return true;
    };
    match u16::from_be_bytes(ethertype) {
        ETHERTYPE_IPV4 => frame
            .read(ipv4)
            .is_none_or(|address| u32::from_ne_bytes(address) == METADATA_V4),
        ETHERTYPE_IPV6 => frame
            .read(ipv6_end)
            .is_none_or(|end| u16::from_ne_bytes(end) == u16::from_ne_bytes(METADATA_END)),
        ethertype => ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ,
    }
}
