//! What is to be done with a frame: pure, one function a program, and before
//! each a test that dismisses what cannot concern it.

mod concerns;
mod guard;
mod neighbour;
mod restore;
mod steer;
#[cfg(test)]
mod tests;

use crate::flow::{Address, Family, Flow};
use crate::packet::{Frame, Ipv4, Ipv6, Network, Tcp, Transport, network};
use crate::{METADATA_ADDRESS, METADATA_ADDRESS_V6, Verdict};

pub use concerns::{may_come_from_metadata, may_go_to_metadata};
pub use guard::guard;
pub use restore::restore;
pub use steer::{Budgets, Connection, Sockets, steer};

const TCP_CHECKSUM: usize = 16;
const METADATA_V4: Address = Address::mapped(METADATA_ADDRESS.octets());
const METADATA_V6: Address = Address::new(METADATA_ADDRESS_V6.octets());

/// A verdict, and what it was reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// Zero where the frame does not tell. An `Option` would be read before it is
    /// looked at, and Linux 5.10 refuses to read what was not written.
    pub flow: Flow,
    /// Present with [`Verdict::Steered`], [`Verdict::Restored`] and
    /// [`Verdict::OverrideCleared`].
    pub rewrite: Option<Rewrite>,
}

/// Two bytes to exchange, and the checksum that covers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Bytes from the start of the frame.
    pub offset: usize,
    /// Bytes from the start of the frame.
    pub checksum_offset: usize,
    pub from: u16,
    pub to: u16,
}

impl Decision {
    #[inline(always)]
    const fn about_nobody(verdict: Verdict) -> Self {
        Self {
            verdict,
            flow: Flow::UNKNOWN,
            rewrite: None,
        }
    }

    #[inline(always)]
    const fn about(verdict: Verdict, flow: Flow) -> Self {
        Self {
            verdict,
            flow,
            rewrite: None,
        }
    }
}

/// An IP packet inside a frame.
enum Packet {
    Ipv4(Ipv4),
    Ipv6(Ipv6),
    /// Neither, or not enough of one.
    None(Network),
}

#[inline(always)]
fn packet<F: Frame + ?Sized>(frame: &F) -> Packet {
    match network(frame) {
        Network::Ipv4(offset) => {
            Ipv4::read(frame, offset).map_or(Packet::None(Network::Truncated), Packet::Ipv4)
        }
        Network::Ipv6(offset) => {
            Ipv6::read(frame, offset).map_or(Packet::None(Network::Truncated), Packet::Ipv6)
        }
        other => Packet::None(other),
    }
}

impl Packet {
    #[inline(always)]
    fn transport<F: Frame + ?Sized>(&self, frame: &F) -> Transport {
        match self {
            Self::Ipv4(packet) => packet.transport(frame),
            Self::Ipv6(packet) => packet.transport(frame),
            Self::None(_) => Transport::Other,
        }
    }

    /// Who speaks to whom, still without ports.
    #[inline(always)]
    fn flow(&self) -> Flow {
        match self {
            Self::Ipv4(packet) => Flow {
                family: Family::Ipv4,
                source: packet.source(),
                destination: packet.destination(),
                ..Flow::UNKNOWN
            },
            Self::Ipv6(packet) => Flow {
                family: Family::Ipv6,
                source: packet.source(),
                destination: packet.destination(),
                ..Flow::UNKNOWN
            },
            Self::None(_) => Flow::UNKNOWN,
        }
    }
}

impl Flow {
    #[inline(always)]
    const fn with_ports(self, segment: &Tcp) -> Self {
        Self {
            source_port: segment.source_port,
            destination_port: segment.destination_port,
            ..self
        }
    }
}
