use super::neighbour::clear_override;
use super::{Decision, METADATA_V4, METADATA_V6, Packet, Rewrite, TCP_CHECKSUM, packet};
use crate::packet::{Frame, Network, Transport};
use crate::{METADATA_PORT, Verdict};

/// Egress: what the proxy answers, and how the kernel answers for its address.
#[inline(always)]
pub fn restore<F: Frame + ?Sized>(frame: &F, proxy_port: u16) -> Decision {
    let packet = packet(frame);
    if let Packet::None(what) = packet {
        return Decision::about_nobody(match what {
            Network::Truncated => Verdict::RestoreTruncated,
            _ => Verdict::RestorePassed,
        });
    }
    let flow = packet.flow();
    if flow.source != METADATA_V4 && flow.source != METADATA_V6 {
        return Decision::about_nobody(Verdict::RestorePassed);
    }
    let (verdict, flow, rewrite) = match packet.transport(frame) {
        Transport::Tcp(segment)
            if segment.source_port == proxy_port && segment.header.is_some() =>
        {
            let rewrite = Rewrite {
                offset: segment.offset,
                checksum_offset: segment.offset + TCP_CHECKSUM,
                from: proxy_port,
                to: METADATA_PORT,
            };
            let flow = flow.with_ports(&segment);
            (Verdict::Restored, flow, Some(rewrite))
        }
        Transport::Icmpv6(icmp) => match clear_override(frame, icmp) {
            Some(rewrite) => (Verdict::OverrideCleared, flow, Some(rewrite)),
            None => (Verdict::RestorePassed, flow, None),
        },
        Transport::Truncated => (Verdict::RestoreTruncated, flow, None),
        _ => (Verdict::RestorePassed, flow, None),
    };
    Decision {
        verdict,
        flow,
        rewrite,
    }
}
