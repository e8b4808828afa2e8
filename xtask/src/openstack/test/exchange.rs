//! Sends exactly what a request says, from a guest, and keeps all that comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::outcome::Outcome;
use super::request::{Part, Request};
use crate::lab::guest::METADATA;
use crate::lab::http;
use crate::lab::namespace::Namespace;

/// Longer than haproxy waits for an answer.
const LIMIT: Duration = Duration::from_secs(40);
/// So long that what follows comes in a segment of its own.
const BETWEEN_SEGMENTS: Duration = Duration::from_millis(200);

/// What comes back, whatever it is, and after how long.
pub(super) fn exchange(guest: &Namespace, request: &Request) -> Result<(Outcome, Duration)> {
    let start = Instant::now();
    let outcome = match guest.enter(|| open(request.source))? {
        Ok(stream) => converse(stream, request),
        Err(error) => Outcome::NoConnection(error.to_string()),
    };
    Ok((outcome, start.elapsed()))
}

fn open(source: Option<Ipv4Addr>) -> Result<TcpStream> {
    let kind = SockType::Stream;
    let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if let Some(source) = source {
        bind(
            fd.as_raw_fd(),
            &SockaddrIn::from(SocketAddrV4::new(source, 0)),
        )?;
    }
    let stream = TcpStream::from(fd);
    http::set_timeouts(&stream, LIMIT)?;
    connect(stream.as_raw_fd(), &SockaddrIn::from(METADATA))?;
    Ok(stream)
}

fn converse(mut stream: TcpStream, request: &Request) -> Outcome {
    for (index, Part(bytes)) in request.parts.iter().enumerate() {
        if index > 0 {
            sleep(BETWEEN_SEGMENTS);
        }
        // Who refuses early may close before all is sent: its answer counts.
        if stream.write_all(bytes).is_err() {
            break;
        }
    }
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() && error.kind() == ErrorKind::WouldBlock => Outcome::Silence,
        _ => Outcome::parse(&bytes, request.is_head),
    }
}
