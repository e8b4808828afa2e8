use super::neighbour::{SOLICITED_NODE, detects_duplicates};
use super::{Decision, METADATA_V4, METADATA_V6, Packet, Rewrite, TCP_CHECKSUM, packet};
use crate::flow::Flow;
use crate::packet::{Frame, Network, Tcp, Transport};
use crate::{METADATA_PORT, Verdict};

const TCP_DESTINATION: usize = 2;

/// What the proxy has to do with a segment that asks for no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It has the connection, or the segment completes one by answering a SYN
    /// cookie.
    Alive,
    /// It had the connection, and nothing but TIME_WAIT is left of it.
    Over,
    /// Nothing.
    None,
}

/// The proxy's sockets in the namespace that a frame comes into. Only sockets
/// bound to the metadata address itself are the proxy's: Neutron's haproxy
/// listens on a wildcard.
pub trait Sockets {
    /// Whether the proxy listens for new connections of this flow.
    fn accept(&self, flow: &Flow) -> bool;

    fn connection(&self, flow: &Flow, header: &[u8; 20]) -> Connection;
}

/// Ingress: what a guest sends.
#[inline(always)]
pub fn steer<F: Frame + ?Sized>(frame: &F, sockets: &impl Sockets, proxy_port: u16) -> Decision {
    let packet = packet(frame);
    if let Packet::None(what) = packet {
        return Decision::about_nobody(match what {
            Network::Truncated => Verdict::SteerTruncated,
            Network::TooManyTags => Verdict::TooManyTagsDropped,
            _ => Verdict::SteerPassed,
        });
    }
    let flow = packet.flow();
    if flow.destination == SOLICITED_NODE {
        return solicitation(frame, &packet, flow);
    }
    if flow.destination != METADATA_V4 && flow.destination != METADATA_V6 {
        return Decision::about_nobody(Verdict::SteerPassed);
    }
    match packet.transport(frame) {
        Transport::Tcp(segment) => steer_segment(sockets, flow, &segment, proxy_port),
        Transport::TcpFragment => Decision::about(Verdict::FragmentPassed, flow),
        Transport::Truncated => Decision::about(Verdict::SteerTruncated, flow),
        Transport::TooManyHeaders => Decision::about(Verdict::TooManyHeadersDropped, flow),
        Transport::Icmpv6(_) | Transport::Other => Decision::about(Verdict::SteerPassed, flow),
    }
}

#[inline(always)]
fn steer_segment(sockets: &impl Sockets, flow: Flow, segment: &Tcp, proxy_port: u16) -> Decision {
    let flow = flow.with_ports(segment);
    if segment.destination_port != METADATA_PORT {
        let is_proxy_port = segment.destination_port == proxy_port;
        return Decision::about(
            if is_proxy_port {
                Verdict::ProxyPortDropped
            } else {
                Verdict::SteerPassed
            },
            flow,
        );
    }
    let Some(header) = segment.header else {
        return Decision::about(Verdict::FragmentPassed, flow);
    };
    let connection = if segment.opens() {
        Connection::Over
    } else {
        sockets.connection(&flow, &header)
    };
    let is_ours = match connection {
        Connection::Alive => true,
        // A proxy that listens gets every new connection, so none of somebody
        // else's can have the ports of the one that is over.
        Connection::Over => sockets.accept(&flow),
        Connection::None => false,
    };
    if !is_ours {
        return Decision::about(Verdict::NotOursPassed, flow);
    }
    Decision {
        verdict: Verdict::Steered,
        flow,
        rewrite: Some(Rewrite {
            offset: segment.offset + TCP_DESTINATION,
            checksum_offset: segment.offset + TCP_CHECKSUM,
            from: METADATA_PORT,
            to: proxy_port,
        }),
    }
}

#[inline(always)]
fn solicitation<F: Frame + ?Sized>(frame: &F, packet: &Packet, flow: Flow) -> Decision {
    let is_detection = match packet.transport(frame) {
        Transport::Icmpv6(icmp) => detects_duplicates(frame, &flow, icmp),
        _ => false,
    };
    let verdict = if is_detection {
        Verdict::DuplicateDetectionDropped
    } else {
        Verdict::SteerPassed
    };
    Decision::about(verdict, flow)
}
