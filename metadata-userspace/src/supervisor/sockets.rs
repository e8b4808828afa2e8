//! Opening the sockets that are not a namespace's.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use nix::libc::{EPROTOTYPE, O_NOFOLLOW, O_PATH};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid};
use socket2::{Domain, SockAddr, Socket, Type};

use super::predecessor::{has_ended, suspects, wait_while};
use super::unix_table::is_bound;
use crate::rights::{Way, act_on, act_on_entry, as_user, directory_of};

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot listen on {path}: {source}")]
    Unix { path: PathBuf, source: io::Error },
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "another program already answers at {0} (`ss -xap` shows which); stop it first, or give \
         this one another path"
    )]
    Taken(PathBuf),
    #[error(
        "another program already listens at {0} (`ss -tlnp sport = {port}` shows which); stop it \
         first, or give this one another address", port = .0.port()
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
    let kinds = [kind, Type::STREAM, Type::SEQPACKET, Type::DGRAM];
    let mut openers = kinds.into_iter().map(|kind| opener(kind, path));
    // Of another kind than the socket there, which somebody holds (connect(2)).
    let is_other = |error: &io::Error| error.raw_os_error() == Some(EPROTOTYPE);
    match openers.find(|opener| !opener.as_ref().is_err_and(is_other)) {
        Some(Ok(pid)) if has_ended(pid) => Answerer::Orphan,
        Some(Ok(_)) => Answerer::Program,
        // It does not accept those who wait already.
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Answerer::Program,
        // Root's socket in a directory of Neutron's, where its owner's rights have to do.
        Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            match is_bound(path) {
                Ok(false) => Answerer::Nobody,
                Ok(true) | Err(_) => Answerer::Program,
            }
        }
        Some(Err(_)) | None => Answerer::Nobody,
    }
}

/// The process that was the last to call listen(2) for a socket which somebody still holds:
/// the kernel notes it (unix(7), `SO_PEERCRED`).
fn opener(kind: Type, path: &Path) -> io::Result<Pid> {
    // Who waits for a program that hangs waits for ever.
    let socket = Socket::new(Domain::UNIX, kind.nonblocking().cloexec(), None)?;
    let file = act_on_entry(path, |path| std::fs::symlink_metadata(path))?;
    let (uid, gid) = (Uid::from_raw(file.uid()), Gid::from_raw(file.gid()));
    if uid.is_root() {
        act_on(path, |path| socket.connect(&SockAddr::unix(path)?))?;
    } else {
        // In somebody else's directory, too, only its owner may be allowed to.
        as_user(uid, gid, || socket.connect(&SockAddr::unix(path)?))?;
    }
    Ok(Pid::from_raw(getsockopt(&socket, PeerCredentials)?.pid()))
}

fn open_unix(kind: Type, path: &Path, access: Access, backlog: u32) -> io::Result<OwnedFd> {
    act_on(directory_of(path), |directory| {
        std::fs::create_dir_all(directory)
    })?;
    remove_stale(path)?;
    let socket = bind(kind, path, access)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Where a socket's user may not make it, it is that of who has a say in the directory, as one
/// that Neutron's agent makes is its own; its group and mode say who may connect.
fn bind(kind: Type, path: &Path, access: Access) -> io::Result<Socket> {
    let uid = Way::to(directory_of(path))?.uid();
    if access.uid != uid && !access.uid.is_root() {
        match bind_as(access.uid, kind, path, access) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            bound => return bound,
        }
    }
    let socket = bind_as(uid, kind, path, access)?;
    warn_of_owner(path, uid, access);
    Ok(socket)
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
        set_mode(path, access.mode)?;
        Ok(socket)
    })
}

/// Of the socket at `path`, and of nothing that a link there leads to.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_PATH | O_NOFOLLOW);
    let file = options.open(path)?;
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::other("something else took the socket's place"));
    }
    let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::set_permissions(by_number, Permissions::from_mode(mode))
}

fn warn_of_owner(path: &Path, uid: Uid, access: Access) {
    let writable_by_others = 0o022;
    if uid != access.uid && access.mode & writable_by_others == 0 {
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
    let now = act_on_entry(path, |path| std::fs::symlink_metadata(path))?;
    let uid = Uid::from_raw(now.uid());
    let directory = Way::to(directory_of(path))?.uid();
    if uid != access.uid && uid != directory {
        return Ok(false);
    }
    // Where it is right, nothing is written: the file system may have become read-only.
    if (now.gid(), now.mode() & 0o7777) != (access.gid.as_raw(), access.mode) {
        // What is root's is not changed as root in a directory of somebody else's.
        let actor = if uid.is_root() { directory } else { uid };
        as_user(actor, access.gid, || {
            lchown(path, None, Some(access.gid.as_raw()))?;
            set_mode(path, access.mode)
        })?;
    }
    Ok(true)
}

/// Removes a socket nobody listens on; any other file stays, and fails the bind.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    act_on_entry(path, |path| match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Listens on a TCP address of this host, as soon as an earlier worker is gone, if it may be
/// one that has the address.
pub fn tcp(address: SocketAddr, backlog: u32) -> Result<OwnedFd, SocketError> {
    let mut opened = tcp_at_once(address, backlog);
    if !matches!(opened, Err(SocketError::InUse(_))) {
        return opened;
    }
    let Some(suspects) = suspects(address.port()) else {
        // The last of them may have left in between.
        return tcp_at_once(address, backlog);
    };
    let somebody = format!(
        "in use by another program, or by the worker of a daemon that was killed ({suspects})"
    );
    wait_while(&address, &somebody, || {
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
    let metadata = act_on(path, |path| std::fs::metadata(path))?;
    Ok((Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::chown;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::testing::when_dropped;

    fn ours(mode: u32) -> Access {
        Access {
            uid: Uid::effective(),
            gid: Gid::effective(),
            mode,
        }
    }

    /// In the place of one that was dropped.
    fn replacing(kind: Type, path: &Path) -> OwnedFd {
        let mut made = None;
        assert!(when_dropped(|| {
            made = unix(kind, path, ours(0o600), 1).ok();
            made.is_some()
        }));
        made.unwrap()
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
        let _live = replacing(Type::STREAM, &path);
        assert!(matches!(
            unix(Type::STREAM, &path, ours(0o600), 1),
            Err(SocketError::Taken(_))
        ));
    }

    #[test]
    fn a_socket_of_another_kind_is_replaced_only_when_nobody_has_it() {
        let directory = tempfile::tempdir().unwrap();
        for (wanted, there) in [
            (Type::STREAM, Type::DGRAM),
            (Type::STREAM, Type::SEQPACKET),
            (Type::SEQPACKET, Type::STREAM),
        ] {
            let path = directory.path().join(format!("{there:?}"));
            let live = Socket::new(Domain::UNIX, there, None).unwrap();
            live.bind(&SockAddr::unix(&path).unwrap()).unwrap();
            if there != Type::DGRAM {
                live.listen(1).unwrap();
            }
            let file = std::fs::metadata(&path).unwrap().ino();
            let error = unix(wanted, &path, ours(0o600), 1).unwrap_err();
            assert!(matches!(error, SocketError::Taken(_)), "{there:?}: {error}");
            assert_eq!(std::fs::metadata(&path).unwrap().ino(), file);
            drop(live);
            replacing(wanted, &path);
        }
    }

    #[test]
    fn a_socket_that_was_ended_is_replaced_whoever_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let ended = unix(Type::SEQPACKET, &path, ours(0o600), 1).unwrap();
        crate::supervisor::inherited::end_listening(&ended);
        unix(Type::STREAM, &path, ours(0o600), 1).unwrap();
    }

    #[test]
    fn a_program_that_does_not_accept_is_one_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _live = unix(Type::STREAM, &path, ours(0o600), 0).unwrap();
        let fill = || {
            let client = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
            client.connect(&SockAddr::unix(&path)?).map(|()| client)
        };
        let _waiting: Vec<Socket> = std::iter::from_fn(|| fill().ok()).collect();
        assert!(matches!(
            unix(Type::STREAM, &path, ours(0o600), 1),
            Err(SocketError::Taken(_))
        ));
    }

    #[test]
    fn a_socket_to_which_nobody_may_connect_is_replaced_only_when_nobody_has_it() {
        let nobody = 65534;
        let directory = tempfile::tempdir().unwrap();
        chown(directory.path(), Some(nobody), Some(nobody)).unwrap();
        let path = directory.path().join("socket");
        let live = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let file = std::fs::metadata(&path).unwrap().ino();
        let error = unix(Type::STREAM, &path, ours(0o600), 1).unwrap_err();
        assert!(matches!(error, SocketError::Taken(_)), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), file);
        drop(live);
        replacing(Type::STREAM, &path);
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
