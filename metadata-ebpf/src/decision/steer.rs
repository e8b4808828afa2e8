use super::neighbour::{SOLICITED_NODE, detects_duplicates};
use super::{Decision, METADATA_V4, METADATA_V6, Packet, Rewrite, TCP_CHECKSUM, packet};
use crate::flow::Flow;
use crate::guard::Guest;
use crate::packet::{ETHERNET_SOURCE, Frame, Network, Tcp, Transport};
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
    /// Whether the proxy listens for new connections of this flow: the number that
    /// its socket bears, which is that of its namespace. A socket that metadatad is
    /// about to close bears none.
    fn listener(&self, flow: &Flow) -> Option<u32>;

    fn connection(&self, flow: &Flow, header: &[u8; 20]) -> Connection;

    /// Whether somebody else has this connection, at the port that the guest asked, or
    /// is about to.
    fn is_anothers(&self, flow: &Flow) -> bool;
}

/// How many connections guests may still open.
pub trait Budgets {
    /// Takes one connection from what a guest has, unless that does not suffice.
    fn charge(&self, guest: &Guest) -> bool;

    /// Whether it does not suffice for one connection more.
    fn are_spent(&self, guest: &Guest) -> bool;
}

/// Ingress: what a guest sends.
#[inline(always)]
pub fn steer<F: Frame + ?Sized>(
    frame: &F,
    sockets: &impl Sockets,
    budgets: &impl Budgets,
    proxy_port: u16,
) -> Decision {
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
        Transport::Tcp(segment) => {
            steer_segment(frame, sockets, budgets, flow, &segment, proxy_port)
        }
        Transport::TcpFragment => Decision::about(Verdict::FragmentPassed, flow),
        Transport::Truncated => Decision::about(Verdict::SteerTruncated, flow),
        Transport::TooManyHeaders => Decision::about(Verdict::TooManyHeadersDropped, flow),
        Transport::Icmpv6(_) | Transport::Other => Decision::about(Verdict::SteerPassed, flow),
    }
}

#[inline(always)]
fn steer_segment<F: Frame + ?Sized>(
    frame: &F,
    sockets: &impl Sockets,
    budgets: &impl Budgets,
    flow: Flow,
    segment: &Tcp,
    proxy_port: u16,
) -> Decision {
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
    if segment.opens() {
        let Some(namespace) = sockets.listener(&flow) else {
            return Decision::about(Verdict::NotOursPassed, flow);
        };
        // A SYN that is sent again belongs to whoever has answered the first, though the
        // answer was lost: two handshakes at once would end in a reset.
        if sockets.is_anothers(&flow) {
            return Decision::about(Verdict::NotOursPassed, flow);
        }
        if !budgets.charge(&guest(frame, namespace, &flow)) {
            return Decision::about(Verdict::SurplusDropped, flow);
        }
    } else if !is_ours(sockets, &flow, &header) {
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

/// Whether a segment that asks for no connection is the proxy's.
#[inline(always)]
fn is_ours(sockets: &impl Sockets, flow: &Flow, header: &[u8; 20]) -> bool {
    match sockets.connection(flow, header) {
        Connection::Alive => true,
        // A proxy that listens gets every new connection, so none of somebody
        // else's can have the ports of the one that is over.
        Connection::Over => sockets.listener(flow).is_some(),
        Connection::None => false,
    }
}

/// Who sent a frame, in the namespace that has this number.
#[inline(always)]
pub(super) fn guest<F: Frame + ?Sized>(frame: &F, namespace: u32, flow: &Flow) -> Guest {
    let mac = frame.read(ETHERNET_SOURCE).unwrap_or_default();
    Guest::new(namespace, mac, flow.source)
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
