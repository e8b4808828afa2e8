//! What is to be done with a frame: pure, one function a program.

use core::net::Ipv4Addr;

use crate::packet::{Frame, Ipv4, Network, Tcp, Transport, network};
use crate::{METADATA_ADDRESS, METADATA_PORT, Verdict};

/// Offset of the destination port in a TCP header; the source port is at 0.
const TCP_DESTINATION: usize = 2;
const TCP_CHECKSUM: usize = 16;

/// A verdict, and what it was reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// Absent where the frame does not tell, and where nobody asks: clearing
    /// it would cost every frame that passes by.
    pub flow: Option<Flow>,
    /// Present with [`Verdict::Steered`] and [`Verdict::Restored`].
    pub rewrite: Option<Rewrite>,
}

/// Who speaks to whom; zero where the frame does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub source: Ipv4Addr,
    pub source_port: u16,
    pub destination: Ipv4Addr,
    pub destination_port: u16,
}

/// A port to exchange, and the checksum that covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Bytes from the start of the frame.
    pub port_offset: usize,
    /// Bytes from the start of the frame.
    pub checksum_offset: usize,
    pub from: u16,
    pub to: u16,
}

impl Flow {
    pub const UNKNOWN: Self = Self {
        source: Ipv4Addr::UNSPECIFIED,
        source_port: 0,
        destination: Ipv4Addr::UNSPECIFIED,
        destination_port: 0,
    };

    #[inline(always)]
    fn of_packet(packet: &Ipv4) -> Self {
        Self {
            source: packet.source(),
            destination: packet.destination(),
            ..Self::UNKNOWN
        }
    }

    #[inline(always)]
    fn of_segment(packet: &Ipv4, segment: &Tcp) -> Self {
        Self {
            source_port: segment.source_port,
            destination_port: segment.destination_port,
            ..Self::of_packet(packet)
        }
    }
}

impl Decision {
    #[inline(always)]
    const fn about_nobody(verdict: Verdict) -> Self {
        Self {
            verdict,
            flow: None,
            rewrite: None,
        }
    }
}

/// Ingress: what a guest sends.
#[inline(always)]
pub fn steer<F: Frame + ?Sized>(frame: &F, proxy_port: u16) -> Decision {
    let offset = match network(frame) {
        Network::Ipv4(offset) => offset,
        Network::Other => return Decision::about_nobody(Verdict::SteerPassed),
        Network::Truncated => return Decision::about_nobody(Verdict::SteerTruncated),
        Network::TooManyTags => return Decision::about_nobody(Verdict::TooManyTagsDropped),
    };
    let Some(packet) = Ipv4::read(frame, offset) else {
        return Decision::about_nobody(Verdict::SteerTruncated);
    };
    if packet.destination() != METADATA_ADDRESS {
        return Decision::about_nobody(Verdict::SteerPassed);
    }
    let segment = match packet.transport(frame) {
        Transport::Tcp(segment) => segment,
        other => return steer_without_ports(&packet, other),
    };
    let verdict = match segment.destination_port {
        METADATA_PORT if segment.is_whole => Verdict::Steered,
        METADATA_PORT => Verdict::FragmentPassed,
        port if port == proxy_port => Verdict::ProxyPortDropped,
        _ => Verdict::SteerPassed,
    };
    let rewrite = (verdict as u32 == Verdict::Steered as u32).then_some(Rewrite {
        port_offset: segment.offset + TCP_DESTINATION,
        checksum_offset: segment.offset + TCP_CHECKSUM,
        from: METADATA_PORT,
        to: proxy_port,
    });
    Decision {
        verdict,
        flow: Some(Flow::of_segment(&packet, &segment)),
        rewrite,
    }
}

#[inline(always)]
fn steer_without_ports(packet: &Ipv4, transport: Transport) -> Decision {
    let verdict = match transport {
        Transport::TcpFragment => Verdict::FragmentPassed,
        Transport::Truncated => Verdict::SteerTruncated,
        Transport::Tcp(_) | Transport::Other => Verdict::SteerPassed,
    };
    Decision {
        verdict,
        flow: Some(Flow::of_packet(packet)),
        rewrite: None,
    }
}

/// Egress: what the proxy answers.
#[inline(always)]
pub fn restore<F: Frame + ?Sized>(frame: &F, proxy_port: u16) -> Decision {
    let offset = match network(frame) {
        Network::Ipv4(offset) => offset,
        Network::Truncated => return Decision::about_nobody(Verdict::RestoreTruncated),
        Network::Other | Network::TooManyTags => {
            return Decision::about_nobody(Verdict::RestorePassed);
        }
    };
    let Some(packet) = Ipv4::read(frame, offset) else {
        return Decision::about_nobody(Verdict::RestoreTruncated);
    };
    if packet.source() != METADATA_ADDRESS {
        return Decision::about_nobody(Verdict::RestorePassed);
    }
    match packet.transport(frame) {
        Transport::Tcp(segment) if segment.source_port == proxy_port && segment.is_whole => {
            Decision {
                verdict: Verdict::Restored,
                flow: Some(Flow::of_segment(&packet, &segment)),
                rewrite: Some(Rewrite {
                    port_offset: segment.offset,
                    checksum_offset: segment.offset + TCP_CHECKSUM,
                    from: proxy_port,
                    to: METADATA_PORT,
                }),
            }
        }
        Transport::Truncated => Decision {
            verdict: Verdict::RestoreTruncated,
            flow: Some(Flow::of_packet(&packet)),
            rewrite: None,
        },
        _ => Decision::about_nobody(Verdict::RestorePassed),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const PROXY_PORT: u16 = 9697;

    /// Ethernet, two VLAN tags, IPv4 with four bytes of options, TCP.
    fn tagged_request(port: u16) -> [u8; 66] {
        let mut frame = [0; 66];
        frame[12..22].copy_from_slice(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x08, 0x00]);
        frame[22..26].copy_from_slice(&[0x46, 0, 0, 44]);
        frame[31] = 6;
        frame[34..38].copy_from_slice(&[17, 17, 17, 5]);
        frame[38..42].copy_from_slice(&METADATA_ADDRESS.octets());
        frame[46..48].copy_from_slice(&41_000_u16.to_be_bytes());
        frame[48..50].copy_from_slice(&port.to_be_bytes());
        frame
    }

    #[test]
    fn a_request_is_found_behind_tags_and_options() {
        let decision = steer(&tagged_request(80)[..], PROXY_PORT);
        assert_eq!(decision.verdict, Verdict::Steered);
        let rewrite = Rewrite {
            port_offset: 48,
            checksum_offset: 62,
            from: 80,
            to: PROXY_PORT,
        };
        assert_eq!(decision.rewrite, Some(rewrite));
        let flow = Flow {
            source: Ipv4Addr::new(17, 17, 17, 5),
            source_port: 41_000,
            destination: METADATA_ADDRESS,
            destination_port: 80,
        };
        assert_eq!(decision.flow, Some(flow));
    }

    #[test]
    fn no_part_of_a_frame_is_rewritten_unless_all_of_its_headers_are_there() {
        let frame = tagged_request(80);
        for size in 0..frame.len() {
            let decision = steer(&frame[..size], PROXY_PORT);
            assert_eq!(decision.verdict, Verdict::SteerTruncated, "{size} bytes");
            assert_eq!(decision.rewrite, None);
        }
    }

    #[test]
    fn only_the_two_rewriting_verdicts_come_with_a_rewrite() {
        for port in [79, 80, 81, PROXY_PORT] {
            let frame = tagged_request(port);
            let decision = steer(&frame[..], PROXY_PORT);
            assert_eq!(
                decision.rewrite.is_some(),
                decision.verdict == Verdict::Steered
            );
            assert_eq!(
                decision.verdict == Verdict::ProxyPortDropped,
                port == PROXY_PORT
            );
            assert_eq!(restore(&frame[..], PROXY_PORT).rewrite, None);
        }
    }
}
