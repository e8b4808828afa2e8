//! Learning that something changed inside a namespace.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::async_fd;

/// Links, addresses, routes, and traffic control: somebody may take our filters
/// or our route away.
const GROUPS: i32 = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_TC;

/// A netlink socket that hears of changes in the namespace it was opened in.
///
/// What it hears is not read, only that there was something: whoever acts on
/// it looks at the namespace as a whole, so lost messages lose nothing.
pub struct Monitor(AsyncFd<OwnedFd>);

impl Monitor {
    /// Opens the socket in this thread's namespace.
    pub fn open() -> io::Result<OwnedFd> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS.cast_unsigned()))?;
        Ok(fd)
    }

    /// Waits for messages on an open socket. Needs a tokio runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        async_fd::register(socket, Interest::READABLE).map(Self)
    }

    /// Returns once something changed.
    pub async fn changed(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }

    /// Throws away what is queued. Call it before looking at the namespace.
    pub fn drain(&self) {
        // Longer messages are cut to the buffer, which is the point.
        let mut message = [0; 16];
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
                // ENOBUFS reports, once, that messages were lost.
                Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }
}
