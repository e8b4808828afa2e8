//! A listening socket that the programs take for metadatad's.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;

use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

/// Listens in the calling thread's namespace, with that namespace's number on the
/// socket, as metadatad writes it there.
///
/// # Errors
/// When the address is taken or not there, or privilege is missing.
pub fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let namespace = fs::metadata("/proc/thread-self/ns/net")?.ino();
    let number = u32::try_from(namespace).map_err(io::Error::other)?;
    let listener = TcpListener::bind(address)?;
    setsockopt(&listener, sockopt::Priority, &number.cast_signed())?;
    // The standard library's queue is short.
    listen(&listener, Backlog::MAXCONN)?;
    Ok(listener)
}
