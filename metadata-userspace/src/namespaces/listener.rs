//! The proxy sockets of a namespace.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;

use metadata_ebpf::{METADATA_ADDRESS, METADATA_ADDRESS_V6};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::plan::Door;
use crate::proxy::saved_syn;
use crate::supervisor::adoption::{Found, listen_again};

/// Where a door is.
pub fn address(door: Door, port: u16) -> SocketAddr {
    match door {
        Door::Ipv4 => SocketAddrV4::new(METADATA_ADDRESS, port).into(),
        Door::Ipv6(interface) => SocketAddrV6::new(METADATA_ADDRESS_V6, port, 0, interface).into(),
    }
}

/// Listens at a door in this thread's namespace, whose inode number is `namespace`.
///
/// Never on a wildcard: that would be reachable from external networks
/// (LP 1187102). `SO_REUSEPORT` lets it listen beside Neutron's own haproxy on
/// `[::]:9697`, which sets it too; the kernel prefers the exact address, so
/// guests move over at once and back when this socket goes. Where nobody listens yet it is
/// set afterwards, for who comes later: a socket that begins to listen with it gets a group
/// of 2 KiB (`reuseport_alloc` in the kernel's net/core/sock_reuseport.c).
pub fn open(door: Door, port: u16, backlog: u32, namespace: u64) -> io::Result<OwnedFd> {
    let address = address(door, port);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    prepare(&socket, namespace)?;
    if let Err(error) = socket.bind(&address.into()) {
        if error.raw_os_error() != Some(libc::EADDRINUSE) {
            return Err(error);
        }
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
    }
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_reuse_port(true)?;
    Ok(socket.into())
}

/// Makes a socket that was opened before what [`open`] would make it: another version may
/// have opened it, or retired it, or a worker have done something to it.
pub fn adopt(socket: &OwnedFd, backlog: u32, namespace: u64) -> io::Result<Found> {
    prepare(&SockRef::from(socket), namespace)?;
    listen_again(socket, backlog)
}

fn prepare(socket: &Socket, namespace: u64) -> io::Result<()> {
    name_namespace(socket, namespace)?;
    saved_syn::enable(socket)
}

/// Writes the namespace's number on the socket, as its priority. The programs find it
/// there: they cannot ask which namespace they run in, which is part of who a guest
/// is, and an interface's index is one in each. A socket without a number is one that
/// is about to close (`proxy/retire.rs`). Accepted sockets start from priority 0 again
/// (`sk_clone_lock` in the kernel's net/core/sock.c).
fn name_namespace(socket: &Socket, namespace: u64) -> io::Result<()> {
    // Inode numbers of namespaces have 32 bits (`ns_common.inum`).
    let number = u32::try_from(namespace).unwrap_or_default();
    setsockopt(socket, sockopt::Priority, &number.cast_signed())?;
    Ok(())
}
