//! The source MAC of a connection, from the SYN that the kernel kept.
//!
//! With TCP_SAVE_SYN set to 2 a listener keeps each SYN with its link-layer
//! header (Linux 4.20 and 5.10, commits 16f50cda06ae and 267cf9fa43d1); an
//! accepted socket gives it out once, by TCP_SAVED_SYN.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

use crate::identity::MacAddr;

const WITH_LINK_LAYER: libc::c_int = 2;

/// Ethernet, IPv6 with extension headers, TCP with options: far less than this.
const ROOM: usize = 512;

/// Makes a listener keep SYNs; must come before `listen`, or the first
/// connections are without.
pub fn enable(listener: &impl AsFd) -> io::Result<()> {
    let fd = listener.as_fd().as_raw_fd();
    let value = WITH_LINK_LAYER;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the
    // pointer and length are those of a local integer.
    let set = unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_SAVE_SYN,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    Errno::result(set)?;
    Ok(())
}

/// The sender of an accepted connection's SYN. `None` when it was not kept: the
/// option is off, the connection came by SYN cookie, or the device has no
/// Ethernet header.
pub(super) fn source_mac(socket: &impl AsFd) -> Option<MacAddr> {
    let mut room = [const { MaybeUninit::<u8>::uninit() }; ROOM];
    let mut length = ROOM as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as it is borrowed; the kernel
    // writes at most `length` bytes to `room` and puts their number there.
    let got = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVED_SYN,
            room.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(got).ok()?;
    let written = room.get(..usize::try_from(length).ok()?)?;
    // SAFETY: the kernel initialised the first `length` bytes, and `written` is
    // those alone; u8 has no invalid values.
    let syn = unsafe { &*(std::ptr::from_ref(written) as *const [u8]) };
    ethernet_source(syn)
}

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const VLANS: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];

/// The source address of an Ethernet frame that holds IP.
pub(crate) fn ethernet_source(frame: &[u8]) -> Option<MacAddr> {
    let (_destination, rest) = frame.split_first_chunk::<6>()?;
    let (source, mut rest) = rest.split_first_chunk::<6>()?;
    let ether_type = loop {
        let (ether_type, after) = rest.split_first_chunk::<2>()?;
        if !VLANS.contains(ether_type) {
            rest = after;
            break *ether_type;
        }
        rest = after.get(2..)?;
    };
    // Without a link layer the same bytes would be an IP header's middle.
    let version = rest.first()? >> 4;
    let is_ip = matches!((ether_type, version), (IPV4, 4) | (IPV6, 6));
    let [first, ..] = source;
    let is_a_station = *source != [0; 6] && first & 1 == 0;
    (is_ip && is_a_station).then_some(MacAddr(*source))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const GUEST: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 1];
    const ROUTER: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 2];

    fn syn(source: [u8; 6]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2(source, ROUTER)
            .ipv4([10, 0, 0, 5], [169, 254, 169, 254], 64)
            .tcp(40000, 9697, 1, 1024)
            .syn();
        let mut frame = Vec::new();
        builder.write(&mut frame, &[]).unwrap();
        frame
    }

    #[test]
    fn the_guests_mac_is_found() {
        assert_eq!(ethernet_source(&syn(GUEST)), Some(MacAddr(GUEST)));
    }

    #[test]
    fn behind_a_vlan_tag_and_in_ipv6_too() {
        let builder = PacketBuilder::ethernet2(GUEST, ROUTER)
            .single_vlan(7.try_into().unwrap())
            .ipv6([1; 16], [2; 16], 64)
            .tcp(40000, 9697, 1, 1024)
            .syn();
        let mut frame = Vec::new();
        builder.write(&mut frame, &[]).unwrap();
        assert_eq!(ethernet_source(&frame), Some(MacAddr(GUEST)));
    }

    #[test]
    fn what_is_no_station_is_nobody() {
        assert_eq!(ethernet_source(&syn([0; 6])), None);
        assert_eq!(ethernet_source(&syn([1, 0, 0x5e, 0, 0, 1])), None);
    }

    #[test]
    fn an_ip_header_alone_or_a_cut_frame_is_nobody() {
        let frame = syn(GUEST);
        assert_eq!(ethernet_source(frame.get(14..).unwrap()), None);
        for length in 0..15 {
            assert_eq!(ethernet_source(frame.get(..length).unwrap()), None);
        }
    }

    #[test]
    fn a_kernel_that_kept_the_syn_gives_it_out() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        enable(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        // Loopback frames are Ethernet frames from 00:00:00:00:00:00.
        assert_eq!(source_mac(&accepted), None);
    }
}
