//! The proxy socket of a namespace.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::proxy::saved_syn;

/// Where guests ask: the link-local address of every cloud's metadata service.
pub const METADATA_IPV4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Listens on the metadata address in this thread's namespace.
///
/// Never on a wildcard: that would be reachable from external networks
/// (LP 1187102). `SO_REUSEPORT` lets it listen beside Neutron's own haproxy on
/// `[::]:9697`, which sets it too; the kernel prefers the exact address, so
/// guests move over at once and back when this socket goes.
pub fn open(port: u16, backlog: u32) -> io::Result<OwnedFd> {
    let socket = Socket::new(
        Domain::IPV4,
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    saved_syn::enable(&socket)?;
    socket.bind(&SocketAddrV4::new(METADATA_IPV4, port).into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
