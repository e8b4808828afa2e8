//! Proxy sockets that the daemon before this one left open, for this one to serve.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::fstat;

use crate::netns::NetnsId;
use crate::supervisor::adoption::tcp_address;
use crate::supervisor::inherited::end_listening;

/// By namespace and address, which the kernel tells of each socket. An open socket keeps
/// its namespace, so the number cannot be another's meanwhile.
#[derive(Debug, Default)]
pub struct LeftSockets(HashMap<(NetnsId, SocketAddr), OwnedFd>);

impl LeftSockets {
    /// What cannot be used is ended.
    pub fn new(sockets: impl IntoIterator<Item = OwnedFd>) -> Self {
        let mut left = HashMap::new();
        for socket in sockets {
            match place(&socket).map(|place| left.entry(place)) {
                Ok(Entry::Vacant(vacant)) => drop(vacant.insert(socket)),
                Ok(Entry::Occupied(known)) if is_same(known.get(), &socket) => {}
                Ok(Entry::Occupied(_)) => end_listening(&socket),
                Err(error) => {
                    tracing::warn!(%error, "a socket that was left cannot be used");
                    end_listening(&socket);
                }
            }
        }
        Self(left)
    }

    /// The one that listens there.
    pub fn take(&mut self, namespace: NetnsId, address: SocketAddr) -> Option<OwnedFd> {
        self.0.remove(&(namespace, address))
    }

    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.values().map(AsFd::as_fd)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends those of all namespaces but some; returns how many.
    pub fn end_unless(&mut self, is_to_stay: impl Fn(NetnsId) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|&(namespace, _), socket| {
            let stays = is_to_stay(namespace);
            if !stays {
                end_listening(socket);
            }
            stays
        });
        before - self.0.len()
    }
}

/// Several may have kept one socket.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let inode = |socket: &OwnedFd| fstat(socket).map(|status| status.st_ino);
    matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

fn place(socket: &OwnedFd) -> io::Result<(NetnsId, SocketAddr)> {
    Ok((NetnsId::of_socket(socket)?, tcp_address(socket)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;

    use super::*;
    use crate::netns::Netns;

    #[test]
    fn a_socket_is_found_where_it_listens_and_the_rest_is_ended() {
        let here = Netns::open(Path::new("/proc/self/ns/net")).unwrap().id();
        let elsewhere = NetnsId {
            inode: here.inode + 1,
            ..here
        };
        let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [wanted, unwanted] = sockets.each_ref().map(|s| s.local_addr().unwrap());
        let others_hold_them = sockets.each_ref().map(|s| s.try_clone().unwrap());
        let not_listening = TcpStream::connect(wanted).unwrap();
        let sockets = sockets.map(OwnedFd::from).into_iter();
        let [copy, _] = others_hold_them.each_ref().map(|s| s.try_clone().unwrap());
        let copy = OwnedFd::from(copy);
        let mut left = LeftSockets::new(sockets.chain([not_listening.into(), copy]));
        assert!(left.take(elsewhere, wanted).is_none());
        assert!(left.take(here, wanted).is_some());
        assert!(left.take(here, wanted).is_none());
        assert_eq!(left.end_unless(|namespace| namespace == here), 0);
        assert!(TcpStream::connect(unwanted).is_ok());
        assert_eq!(left.end_unless(|namespace| namespace == elsewhere), 1);
        assert!(left.is_empty());
        assert!(TcpStream::connect(unwanted).is_err());
        assert!(TcpStream::connect(wanted).is_ok());
    }
}
