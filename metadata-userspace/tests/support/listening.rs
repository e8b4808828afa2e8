//! Listening sockets of a test's own servers.

use std::io;
use std::net::{Shutdown, TcpListener};

/// Nobody can connect any more. To close it would not do: a child that another test is
/// starting just then has it too, until it executes its program.
pub(crate) fn end_listening(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).shutdown(Shutdown::Both)
}
