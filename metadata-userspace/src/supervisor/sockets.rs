//! Opening the sockets that are not a namespace's.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid};
use socket2::{Domain, SockAddr, Socket, Type};

use super::predecessor::{has_ended, may_have, wait_while};
use crate::rights::{as_user, or_as_owner};

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot listen on {path}: {source}")]
    Unix { path: PathBuf, source: io::Error },
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("another program already answers at {0}; stop it first, or give this one another path")]
    Taken(PathBuf),
    #[error(
        "another program already listens at {0}; stop it first, or give this one another address"
    )]
    InUse(SocketAddr),
}

/// Whose a unix socket is, and who may connect to it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub uid: Uid,
    pub gid: Gid,
    pub mode: u32,
}

/// Listens on a unix socket; its directory is made where it is missing. A file
/// that an earlier life left there is replaced, as soon as its worker is gone; a socket
/// in use by another program is not.
pub fn unix(kind: Type, path: &Path, access: Access, backlog: u32) -> Result<OwnedFd, SocketError> {
    let worker = "in use by the worker of a daemon that was killed";
    wait_while(&path.display(), worker, || {
        answerer(kind, path) == Answerer::Orphan
    });
    unix_at_once(kind, path, access, backlog)
}

/// The same, and waits for nobody.
pub fn unix_at_once(
    kind: Type,
    path: &Path,
    access: Access,
    backlog: u32,
) -> Result<OwnedFd, SocketError> {
    if answerer(kind, path) != Answerer::Nobody {
        return Err(SocketError::Taken(path.to_owned()));
    }
    open_unix(kind, path, access, backlog).map_err(|source| SocketError::Unix {
        path: path.to_owned(),
        source,
    })
}

/// Who answers at a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answerer {
    Nobody,
    Program,
    /// A process that outlives the program which opened the socket.
    Orphan,
}

fn answerer(kind: Type, path: &Path) -> Answerer {
    match opener(kind, path) {
        Ok(pid) if has_ended(pid) => Answerer::Orphan,
        Ok(_) => Answerer::Program,
        Err(_) => Answerer::Nobody,
    }
}

/// The process that was the last to call listen(2) for a socket which somebody still holds:
/// the kernel notes it (unix(7), `SO_PEERCRED`).
fn opener(kind: Type, path: &Path) -> io::Result<Pid> {
    let socket = Socket::new(Domain::UNIX, kind.cloexec(), None)?;
    let address = SockAddr::unix(path)?;
    or_as_owner(path, || socket.connect(&address))?;
    Ok(Pid::from_raw(getsockopt(&socket, PeerCredentials)?.pid()))
}

fn open_unix(kind: Type, path: &Path, access: Access, backlog: u32) -> io::Result<OwnedFd> {
    let directory = path.parent().unwrap_or(Path::new("."));
    or_as_owner(directory, || std::fs::create_dir_all(directory))?;
    remove_stale(path)?;
    let socket = match bind_as(access.uid, kind, path, access) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let uid = owner(directory)?.0;
            let socket = bind_as(uid, kind, path, access)?;
            give_away(path, uid, access);
            socket
        }
        bound => bound?,
    };
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn bind_as(uid: Uid, kind: Type, path: &Path, access: Access) -> io::Result<Socket> {
    as_user(uid, access.gid, || {
        let socket = Socket::new(Domain::UNIX, kind.nonblocking().cloexec(), None)?;
        // Whoever can connect can impersonate every guest: nobody may before the
        // mode is set.
        let usual = umask(Mode::from_bits_truncate(0o777));
        let bound = socket.bind(&SockAddr::unix(path)?);
        umask(usual);
        bound?;
        std::fs::set_permissions(path, Permissions::from_mode(access.mode))?;
        Ok(socket)
    })
}

/// Where a socket's user may not make it, it is the directory's owner's, as one that Neutron's
/// agent makes is its own; its group and mode say who may connect. Only in a directory of
/// root's can nobody have put something else there that would be given away.
fn give_away(path: &Path, uid: Uid, access: Access) {
    if uid == access.uid || (uid.is_root() && lchown(path, Some(access.uid.as_raw()), None).is_ok())
    {
        return;
    }
    let writable_by_others = 0o022;
    if access.mode & writable_by_others == 0 {
        tracing::warn!(
            path = %path.display(), owner = %uid, wanted = %access.uid,
            "nobody but the owner of the directory can connect to this socket: give the directory \
             to the user that is wanted, or choose another metadata_proxy_socket_mode"
        );
    }
}

/// Gives the socket at `path` the group and the mode that [`unix`] would. Whether it is now
/// as that would make it.
pub fn put_right(path: &Path, access: Access) -> io::Result<bool> {
    let now = or_as_owner(path, || std::fs::symlink_metadata(path))?;
    let uid = Uid::from_raw(now.uid());
    let directory = path.parent().map(owner).transpose()?;
    if uid != access.uid && directory.is_none_or(|(owner, _)| owner != uid) {
        return Ok(false);
    }
    // Where it is right, nothing is written: the file system may have become read-only.
    if (now.gid(), now.mode() & 0o7777) != (access.gid.as_raw(), access.mode) {
        as_user(uid, access.gid, || {
            lchown(path, None, Some(access.gid.as_raw()))?;
            std::fs::set_permissions(path, Permissions::from_mode(access.mode))
        })?;
    }
    Ok(true)
}

/// Removes a socket nobody listens on; any other file stays, and fails the bind.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    or_as_owner(directory, || match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Listens on a TCP address of this host, as soon as an earlier worker is gone, if it may be
/// one that has the address.
pub fn tcp(address: SocketAddr, backlog: u32) -> Result<OwnedFd, SocketError> {
    let mut opened = tcp_at_once(address, backlog);
    if matches!(opened, Err(SocketError::InUse(_))) && !may_have(address.port()) {
        return opened;
    }
    let somebody = "in use by the worker of a daemon that was killed, or by another program";
    wait_while(&address, somebody, || {
        let is_held = matches!(opened, Err(SocketError::InUse(_)));
        if is_held {
            opened = tcp_at_once(address, backlog);
        }
        is_held
    });
    opened
}

/// The same, and waits for nobody.
pub fn tcp_at_once(address: SocketAddr, backlog: u32) -> Result<OwnedFd, SocketError> {
    open_tcp(address, backlog).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => SocketError::InUse(address),
        _ => SocketError::Tcp { address, source },
    })
}

fn open_tcp(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// The user and group of an existing file or directory.
pub fn owner(path: &Path) -> io::Result<(Uid, Gid)> {
    let metadata = or_as_owner(path, || std::fs::metadata(path))?;
    Ok((Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ours(mode: u32) -> Access {
        Access {
            uid: Uid::effective(),
            gid: Gid::effective(),
            mode,
        }
    }

    #[test]
    fn a_unix_socket_has_the_mode_that_was_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("socket");
        let _socket = unix(Type::STREAM, &path, ours(0o664), 1).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o664);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(unix(Type::STREAM, &path, ours(0o600), 1).unwrap());
        let _live = unix(Type::STREAM, &path, ours(0o600), 1).unwrap();
        assert!(matches!(
            unix(Type::STREAM, &path, ours(0o600), 1),
            Err(SocketError::Taken(_))
        ));
    }

    #[test]
    fn a_file_that_is_no_socket_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        assert!(unix(Type::STREAM, &path, ours(0o600), 1).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }
}
