//! SYNs that nothing follows.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::lab::guest::METADATA;

const PER_TICK: u32 = 50;
const TICK: Duration = Duration::from_millis(5);

/// Sends some 10,000 a second from all ports of `source`. The guest's own kernel would
/// reset what they bring about, so its rules have to prevent that.
///
/// # Errors
/// When raw packets cannot be sent.
pub(super) fn send(source: Ipv4Addr, over: &AtomicBool, done: &AtomicU64) -> Result<()> {
    let raw = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Raw,
    )
    .context("no raw socket")?;
    let to = SockaddrIn::from(METADATA);
    let mut number = 0_u32;
    while !over.load(Ordering::Relaxed) {
        let tick = Instant::now();
        for _ in 0..PER_TICK {
            number = number.wrapping_add(1);
            let packet = packet(source, *METADATA.ip(), number);
            // A full queue loses packets, as a real link does.
            let _ = sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty());
            done.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(TICK.saturating_sub(tick.elapsed()));
    }
    Ok(())
}

/// An IPv4 header, whose checksum the kernel fills in (raw(7)), and a TCP header.
fn packet(source: Ipv4Addr, destination: Ipv4Addr, number: u32) -> [u8; 40] {
    let port = 1024 + number % 64_000;
    let [port_high, port_low] = u16::try_from(port).unwrap_or(u16::MAX).to_be_bytes();
    let [a, b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    let mut tcp = [
        port_high, port_low, 0, 80, a, b, c, d, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0,
    ];
    let [high, low] = checksum(source, destination, &tcp).to_be_bytes();
    let [.., sum_high, sum_low, _, _] = &mut tcp;
    (*sum_high, *sum_low) = (high, low);
    let ip = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    let addresses = [source.octets(), destination.octets()].concat();
    let bytes = ip.into_iter().chain(addresses).chain(tcp);
    let mut packet = [0; 40];
    packet
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    packet
}

/// RFC 9293, section 3.1.
fn checksum(source: Ipv4Addr, destination: Ipv4Addr, tcp: &[u8]) -> u16 {
    let pseudo = [0, 6, 0, 20];
    let bytes = [&source.octets(), &destination.octets(), &pseudo, tcp].concat();
    let words = bytes.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => Some(u32::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}
