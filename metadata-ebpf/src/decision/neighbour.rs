//! Neighbour discovery (RFC 4861) for the metadata address, which several
//! hosts carry on one network.

use super::{METADATA_V6, Rewrite};
use crate::flow::{Address, Flow};
use crate::packet::Frame;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;

const CHECKSUM: usize = 2;
const FLAGS: usize = 4;
const TARGET: usize = 8;

/// The group in which the metadata address is asked for: `ff02::1:ff`, and the
/// address's last three bytes.
pub(super) const SOLICITED_NODE: Address = Address::new([
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe, 0xa9, 0xfe,
]);

/// Whether somebody asks if the metadata address is taken, in order to give up
/// his own if it is.
#[inline(always)]
pub(super) fn detects_duplicates<F: Frame + ?Sized>(frame: &F, flow: &Flow, icmp: usize) -> bool {
    flow.source == Address::UNSPECIFIED && is_about_metadata(frame, icmp, SOLICITATION)
}

/// How to clear the Override flag of an advertisement that has it.
#[inline(always)]
pub(super) fn clear_override<F: Frame + ?Sized>(frame: &F, icmp: usize) -> Option<Rewrite> {
    if !is_about_metadata(frame, icmp, ADVERTISEMENT) {
        return None;
    }
    let [flags, reserved] = frame.read(icmp + FLAGS)?;
    (flags & OVERRIDE != 0).then_some(Rewrite {
        offset: icmp + FLAGS,
        checksum_offset: icmp + CHECKSUM,
        from: u16::from_be_bytes([flags, reserved]),
        to: u16::from_be_bytes([flags & !OVERRIDE, reserved]),
    })
}

#[inline(always)]
fn is_about_metadata<F: Frame + ?Sized>(frame: &F, icmp: usize, kind: u8) -> bool {
    let is_of_kind = frame.read(icmp).is_some_and(|[found]| found == kind);
    let target = frame.read(icmp + TARGET).map(Address::new);
    is_of_kind && target.is_some_and(|target| target == METADATA_V6)
}
