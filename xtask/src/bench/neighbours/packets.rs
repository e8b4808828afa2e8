//! Small UDP packets, whose whole way is run by the processor that sends them: a veth
//! hands a packet to the receiving side's softirq, which runs before the sender goes on.

use std::fs::File;
use std::io::{IoSlice, Read, Seek};
use std::iter;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use super::clock::Clock;
use super::lanes::Lane;
use crate::lab::namespace::Namespace;
use crate::lab::{unique, wait};

/// Some 30 ms.
const BURST: u64 = 10_000;
const BATCH: usize = 64;
/// The smallest Ethernet frame.
const PAYLOAD: [u8; 18] = [0; 18];
/// discard (RFC 863).
const PORT: u16 = 9;
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// Packets that a guest sends, and where they end.
pub(super) struct Packets {
    socket: UdpSocket,
    end: Arrivals,
    headers: MultiHeaders<SockaddrIn>,
    clock: Clock,
}

impl Packets {
    /// From one guest to the interface of the other.
    ///
    /// # Errors
    /// When none arrives.
    pub(super) fn forwarded(lane: &Lane, clock: Clock) -> Result<Self> {
        let destination = neighbour_of(lane.far.address);
        let inside = lane.router.namespace();
        nobody(inside, destination, &lane.far.router_interface)?;
        let end = Arrivals::at(lane.far.namespace(), "eth0")?;
        Self::new(lane, destination, end, clock)
    }

    /// From a guest to the router's interface, and no further.
    ///
    /// # Errors
    /// When none arrives.
    pub(super) fn not_forwarded(lane: &Lane, clock: Clock) -> Result<Self> {
        let destination = neighbour_of(lane.near.address);
        nobody(lane.near.namespace(), destination, "eth0")?;
        let end = Arrivals::at(lane.router.namespace(), &lane.near.router_interface)?;
        Self::new(lane, destination, end, clock)
    }

    fn new(lane: &Lane, destination: Ipv4Addr, end: Arrivals, clock: Clock) -> Result<Self> {
        let socket = lane.near.namespace().enter(|| {
            let socket = UdpSocket::bind((lane.near.address, 0))?;
            socket.connect((destination, PORT))?;
            anyhow::Ok(socket)
        })??;
        let mut packets = Self {
            socket,
            end,
            headers: MultiHeaders::preallocate(BATCH, None),
            clock,
        };
        packets.wait_first()?;
        Ok(packets)
    }

    /// Before a neighbour is resolved, packets are queued, and few of them.
    fn wait_first(&mut self) -> Result<()> {
        let before = self.end.count()?;
        wait::until("a packet arrives", RESOLVE_LIMIT, || {
            self.socket.send(&PAYLOAD)?;
            // More than what finding a neighbour is heard of.
            Ok(self.end.count()? > before + 4)
        })
    }

    /// Nanoseconds for each packet of a burst.
    ///
    /// # Errors
    /// When packets are lost.
    pub(super) fn burst(&mut self) -> Result<f64> {
        let before = self.end.count()?;
        let began = self.clock.now()?;
        let mut sent = 0;
        while sent < BURST {
            sent += self.send()?;
        }
        let time = self.clock.now()?.saturating_sub(began);
        let arrived = self.end.count()? - before;
        ensure!(arrived >= sent, "of {sent} packets only {arrived} arrived");
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        Ok(time.as_secs_f64() * 1e9 / sent as f64)
    }

    fn send(&mut self) -> Result<u64> {
        let message = [IoSlice::new(&PAYLOAD)];
        let messages = iter::repeat_n(&message, BATCH);
        let connected = [None; BATCH];
        let fd = self.socket.as_raw_fd();
        let sent = sendmmsg(
            fd,
            &mut self.headers,
            messages,
            connected,
            [],
            MsgFlags::empty(),
        )?;
        Ok(sent.count().try_into()?)
    }
}

/// Another address of the same subnet.
fn neighbour_of(guest: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = guest.octets();
    Ipv4Addr::new(a, b, c, 99)
}

/// A neighbour with a MAC that no interface has: what is sent to it crosses the cable, is
/// counted, and is dropped at once.
fn nobody(namespace: &Namespace, address: Ipv4Addr, interface: &str) -> Result<()> {
    let mac = unique::mac()?;
    let entry = format!("neighbour replace {address} lladdr {mac} dev {interface} nud permanent");
    namespace.ip(&entry).map(drop)
}

/// The packets that an interface received.
struct Arrivals {
    interface: String,
    /// Of the namespace in which it was opened.
    statistics: File,
}

impl Arrivals {
    fn at(namespace: &Namespace, interface: &str) -> Result<Self> {
        let statistics = namespace.enter(|| File::open("/proc/thread-self/net/dev"))??;
        Ok(Self {
            interface: format!("{interface}:"),
            statistics,
        })
    }

    fn count(&mut self) -> Result<u64> {
        let mut text = String::new();
        self.statistics.rewind()?;
        self.statistics.read_to_string(&mut text)?;
        received(&text, &self.interface).with_context(|| format!("no {} in {text}", self.interface))
    }
}

/// The second figure behind the interface's name is that of received packets.
fn received(statistics: &str, interface: &str) -> Option<u64> {
    let mut lines = statistics.lines();
    let figures = lines.find_map(|line| line.trim_start().strip_prefix(interface))?;
    figures.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_packets_are_found_beside_sent_ones() {
        let text = "Inter-|   Receive      |  Transmit\n face |bytes    packets errs\n    \
            lo:       1       2    0    0    0     0          0         0        3       4\n  \
            eth0: 8124213    5006    0    0    0     0          0         0     7966      61\n";
        assert_eq!(received(text, "eth0:"), Some(5006));
        assert_eq!(received(text, "eth1:"), None);
    }
}
