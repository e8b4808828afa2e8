//! Sockets that others had too: whether one is what the configuration asks for, and making
//! it again what it was.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use socket2::{SockRef, Type};

use crate::rights::act_on_entry;

/// `SIOCUNIXFILE` of linux/un.h: opens the file that a unix socket is bound to.
const SIOCUNIXFILE: libc::c_ulong = 0x89e0;

/// Whether it listens on this TCP address.
pub fn listens_at(socket: &impl AsFd, address: SocketAddr) -> bool {
    tcp_address(socket).is_ok_and(|here| here == address)
}

/// The address of a listening TCP socket.
pub fn tcp_address(socket: &impl AsFd) -> io::Result<SocketAddr> {
    let socket = SockRef::from(socket);
    let address = socket.local_addr()?.as_socket();
    let listens = socket.is_listener()? && socket.r#type()? == Type::STREAM;
    address
        .filter(|_| listens)
        .ok_or_else(|| io::Error::other("it is no listening TCP socket"))
}

/// Whether it listens on the unix socket that is at this path now, and not on one whose
/// file was removed or replaced since.
pub fn listens_on_file(socket: &impl AsFd, kind: Type, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let look = || -> io::Result<bool> {
        let reference = SockRef::from(socket);
        let listens = reference.is_listener()? && reference.r#type()? == kind;
        let at_path = act_on_entry(path, |path| std::fs::symlink_metadata(path))?;
        let bound = std::fs::File::from(bound_file(socket)?).metadata()?;
        Ok(listens && identity(bound) == identity(at_path))
    };
    look().unwrap_or(false)
}

/// What a listening socket was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Listening,
    /// Somebody has ended it for all who have it; it listens again.
    Ended,
}

/// Makes a socket listen as it did before another process had it, which may have done to it
/// whatever needs no privilege. Those who wait in it go on waiting.
pub fn listen_again(socket: &impl AsFd, backlog: u32) -> io::Result<Found> {
    let socket = SockRef::from(socket);
    let found = if socket.is_listener()? {
        Found::Listening
    } else {
        Found::Ended
    };
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it, and would cut answers off.
    socket.set_linger(None)?;
    // By connect(2) to no address a TCP listener ends, and keeps its own address.
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(found)
}

fn bound_file(socket: &impl AsFd) -> io::Result<OwnedFd> {
    // SAFETY: without further arguments; the descriptor is open while it is borrowed.
    let file = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCUNIXFILE) };
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(file)?) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_unix_socket_is_known_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = UnixListener::bind(&path).unwrap();
        assert!(listens_on_file(&first, Type::STREAM, &path));
        assert!(!listens_on_file(&first, Type::SEQPACKET, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!listens_on_file(&first, Type::STREAM, &path));
        let second = UnixListener::bind(&path).unwrap();
        assert!(!listens_on_file(&first, Type::STREAM, &path));
        assert!(listens_on_file(&second, Type::STREAM, &path));
    }

    /// As connect(2) does it to no address at all.
    fn disconnect(socket: &TcpListener) {
        let nowhere = [0_u8; 16];
        // SAFETY: the address is as long as is said.
        let done = unsafe { libc::connect(socket.as_raw_fd(), nowhere.as_ptr().cast(), 16) };
        assert_eq!(done, 0);
    }

    #[test]
    fn whatever_a_worker_did_to_a_socket_it_listens_again() {
        let address = "127.39.69.7:9697".parse::<SocketAddr>().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        assert_eq!(listen_again(&listener, 8).unwrap(), Found::Listening);
        assert_eq!(listener.accept().unwrap().1, waiting.local_addr().unwrap());
        disconnect(&listener);
        SockRef::from(&listener)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        assert!(TcpStream::connect(address).is_err());
        assert_eq!(listen_again(&listener, 8).unwrap(), Found::Ended);
        assert!(listens_at(&listener, address));
        assert!(TcpStream::connect(address).is_ok());
        let socket = SockRef::from(&listener);
        assert!(socket.nonblocking().unwrap());
        assert_eq!(socket.linger().unwrap(), None);
    }

    #[test]
    fn a_tcp_socket_is_known_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listens_at(&listener, address));
        assert!(!listens_at(&listener, "127.0.0.1:1".parse().unwrap()));
        let connection = TcpStream::connect(address).unwrap();
        assert!(!listens_at(&connection, connection.local_addr().unwrap()));
    }
}
