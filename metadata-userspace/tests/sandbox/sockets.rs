//! Attempts at sockets: those that a worker has, and others.

use std::io::IoSlice;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};

use nix::errno::Errno;
use nix::libc::{self, c_long, socklen_t};
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, getsockopt, sendmsg,
    sendto, sockopt,
};

use crate::attempts::{errno, run};
use crate::world::World;

pub(crate) fn connect_to_nova(world: &World) -> nix::Result<()> {
    errno(TcpStream::connect(world.nova))
}

pub(crate) fn connect_to_a_stranger(world: &World) -> nix::Result<()> {
    errno(TcpStream::connect(world.stranger))
}

/// TCP Fast Open: what is sent opens the connection (tcp(7)).
const OPENING: MsgFlags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);

pub(crate) fn connect_by_sendto(world: &World) -> nix::Result<()> {
    let (socket, stranger) = (tcp_socket()?, SockaddrStorage::from(world.stranger));
    sendto(socket.as_raw_fd(), b"x", &stranger, OPENING).map(drop)
}

pub(crate) fn connect_by_sendmsg(world: &World) -> nix::Result<()> {
    let (socket, stranger) = (tcp_socket()?, SockaddrStorage::from(world.stranger));
    let bytes = [IoSlice::new(b"x")];
    sendmsg(socket.as_raw_fd(), &bytes, &[], OPENING, Some(&stranger)).map(drop)
}

fn tcp_socket() -> nix::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    socket::socket(family, kind, SockFlag::empty(), None)
}

fn stop(world: &World, how: i32) -> nix::Result<()> {
    let listener = world.listener.as_raw_fd().into();
    run(libc::SYS_shutdown, [listener, how.into(), 0, 0])
}

pub(crate) fn stop_receiving(world: &World) -> nix::Result<()> {
    stop(world, libc::SHUT_RD)
}

pub(crate) fn stop_both_ways(world: &World) -> nix::Result<()> {
    stop(world, libc::SHUT_RDWR)
}

/// Which leaves a listener as it is.
pub(crate) fn stop_sending(world: &World) -> nix::Result<()> {
    stop(world, libc::SHUT_WR)?;
    match getsockopt(&world.listener, sockopt::AcceptConn)? {
        true => Ok(()),
        false => Err(Errno::ENOTCONN),
    }
}

pub(crate) fn filter_a_socket(world: &World) -> nix::Result<()> {
    // Nothing of any segment is let through.
    let program = [libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let filter = libc::sock_fprog {
        len: 1,
        filter: program.as_ptr().cast_mut(),
    };
    set_option(world, libc::SO_ATTACH_FILTER, &filter)
}

pub(crate) fn bind_to_an_interface(world: &World) -> nix::Result<()> {
    set_option(world, libc::SO_BINDTODEVICE, c"lo")
}

fn set_option<T: ?Sized>(world: &World, option: i32, value: &T) -> nix::Result<()> {
    let length = socklen_t::try_from(size_of_val(value)).map_err(|_| Errno::EINVAL)?;
    let (listener, level) = (world.listener.as_raw_fd(), libc::SOL_SOCKET);
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the value lives until the call is over, and is as long as is said.
    let set = unsafe { libc::setsockopt(listener, level, option, value, length) };
    Errno::result(set).map(drop)
}

pub(crate) fn own_a_socket(world: &World) -> nix::Result<()> {
    let socket = TcpStream::connect(world.nova).map_err(|_| Errno::ENOTCONN)?;
    let arguments = [socket.as_raw_fd(), libc::F_SETOWN, world.parent].map(c_long::from);
    let [socket, command, owner] = arguments;
    run(libc::SYS_fcntl, [socket, command, owner, 0])
}

fn socket(family: i32, kind: i32) -> nix::Result<()> {
    run(libc::SYS_socket, [family.into(), kind.into(), 0, 0])
}

pub(crate) fn packet_socket(_: &World) -> nix::Result<()> {
    socket(libc::AF_PACKET, libc::SOCK_RAW)
}

pub(crate) fn raw_socket(_: &World) -> nix::Result<()> {
    let icmp = libc::IPPROTO_ICMP.into();
    let (family, kind) = (libc::AF_INET.into(), libc::SOCK_RAW.into());
    run(libc::SYS_socket, [family, kind, icmp, 0])
}

pub(crate) fn udp_socket(_: &World) -> nix::Result<()> {
    socket(libc::AF_INET, libc::SOCK_DGRAM)
}

pub(crate) fn netlink_socket(_: &World) -> nix::Result<()> {
    socket(libc::AF_NETLINK, libc::SOCK_RAW)
}

pub(crate) fn unix_socket(_: &World) -> nix::Result<()> {
    socket(libc::AF_UNIX, libc::SOCK_STREAM)
}

pub(crate) fn listen(_: &World) -> nix::Result<()> {
    errno(std::net::TcpListener::bind(("127.0.0.1", 0)))
}

pub(crate) fn connect_to_the_agent(world: &World) -> nix::Result<()> {
    errno(UnixStream::connect(world.directory.join("named")))
}

pub(crate) fn connect_abstract(world: &World) -> nix::Result<()> {
    let name = UnixAddr::from_abstract_name(&world.abstract_socket);
    errno(name.and_then(|name| UnixStream::connect_addr(&name)))
}
