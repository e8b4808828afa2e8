use super::steer::{Budgets, Sockets, guest};
use super::{Decision, METADATA_V4, METADATA_V6, Packet, packet};
use crate::flow::Flow;
use crate::packet::{Frame, Tcp, Transport};
use crate::{METADATA_PORT, Verdict};

/// Before the kernel has made a socket buffer: what is sure not to come in.
///
/// It takes nothing from a budget. [`steer`](super::steer) does, for frames that
/// come here first and for those that do not, so none is counted twice.
#[inline(always)]
pub fn guard<F: Frame + ?Sized>(
    frame: &F,
    sockets: &impl Sockets,
    budgets: &impl Budgets,
) -> Decision {
    let packet = packet(frame);
    if let Packet::None(_) = packet {
        return Decision::about_nobody(Verdict::GuardPassed);
    }
    let flow = packet.flow();
    if flow.destination != METADATA_V4 && flow.destination != METADATA_V6 {
        return Decision::about_nobody(Verdict::GuardPassed);
    }
    match packet.transport(frame) {
        Transport::Tcp(segment) => guard_segment(frame, sockets, budgets, flow, &segment),
        Transport::Truncated => Decision::about(Verdict::MalformedDropped, flow),
        _ => Decision::about(Verdict::GuardPassed, flow),
    }
}

#[inline(always)]
fn guard_segment<F: Frame + ?Sized>(
    frame: &F,
    sockets: &impl Sockets,
    budgets: &impl Budgets,
    flow: Flow,
    segment: &Tcp,
) -> Decision {
    let flow = flow.with_ports(segment);
    if segment.is_malformed() {
        return Decision::about(Verdict::MalformedDropped, flow);
    }
    if segment.destination_port != METADATA_PORT || !segment.opens() {
        return Decision::about(Verdict::GuardPassed, flow);
    }
    let is_spent = match sockets.listener(&flow) {
        Some(namespace) => budgets.are_spent(&guest(frame, namespace, &flow)),
        None => false,
    };
    let verdict = if is_spent {
        Verdict::SurplusDroppedEarly
    } else {
        Verdict::GuardPassed
    };
    Decision::about(verdict, flow)
}
