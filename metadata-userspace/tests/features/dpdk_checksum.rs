//! Behind a userspace switch nobody completes checksums after the kernel, so OVN's
//! agent has iptables do it (LP 1904871): answers leave with whole checksums.

use std::io::{ErrorKind, Read};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::libc;
use xtask::lab::namespace::Namespace;

use crate::place::{Kind, Place, assert_served};

const FRAMES: usize = 3;

#[test]
fn ovn() -> Result<()> {
    let place = Place::create(Kind::Ovn)?;
    let (inside, interface) = (place.ground.home.namespace(), &place.ground.interface);
    inside.sh(&format!(
        "iptables -w -t mangle -A POSTROUTING -o {interface} -p tcp --sport 9697 -j CHECKSUM --checksum-fill"
    ))?;
    let wire = Wire::open(place.guest().namespace())?;
    assert_served(place.guest(), &place.ground.instance)?;
    let mut checked = 0;
    while checked < FRAMES {
        let frame = wire.next().context("no more frames of an answer")?;
        if is_answer(&frame) {
            assert_eq!(tcp_checksum(&frame), 0, "an answer's checksum is not whole");
            checked += 1;
        }
    }
    Ok(())
}

/// Sees the frames as they are on the cable: with a partial checksum where the
/// kernel leaves its completion to a device.
struct Wire(std::fs::File);

impl Wire {
    fn open(namespace: &Namespace) -> Result<Self> {
        let open = || {
            // SAFETY: no pointers; the result is checked.
            let fd = unsafe {
                libc::socket(
                    libc::AF_PACKET,
                    libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                    i32::from((libc::ETH_P_IP as u16).to_be()),
                )
            };
            match fd {
                ..0 => Err(std::io::Error::last_os_error()),
                // SAFETY: just opened and owned by nobody else.
                fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            }
        };
        let socket = namespace.enter(open)??;
        let patience = Duration::from_secs(3);
        let patience = nix::sys::time::TimeVal::new(patience.as_secs().try_into()?, 0);
        nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::ReceiveTimeout,
            &patience,
        )?;
        assert!(socket.as_raw_fd() >= 0);
        Ok(Self(socket.into()))
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65536];
        loop {
            match (&self.0).read(&mut frame) {
                Ok(length) => {
                    frame.truncate(length);
                    return Some(frame);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// TCP from port 80 of the metadata address.
fn is_answer(frame: &[u8]) -> bool {
    let vip = Ipv4Addr::new(169, 254, 169, 254).octets();
    frame.len() > 54 && frame[26..30] == vip && frame[34..36] == [0, 80]
}

/// The ones' complement sum over pseudo header and segment; 0 when it is right.
fn tcp_checksum(frame: &[u8]) -> u16 {
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let segment = &frame[34..14 + total];
    let length = u16::try_from(segment.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let pseudo = [&frame[26..34], &[0, 6], &length].concat();
    let words = [&pseudo, segment].concat();
    let mut sum: u32 = words
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
