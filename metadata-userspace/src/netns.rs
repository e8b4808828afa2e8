//! A handle on a network namespace, and the only `setns` in the tree.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs, statfs};
use serde::{Deserialize, Serialize};

/// `NS_GET_NSTYPE` of linux/nsfs.h: which kind of namespace a file is.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// `SO_NETNS_COOKIE` of asm-generic/socket.h (Linux 5.14).
const SO_NETNS_COOKIE: libc::c_int = 71;
/// `SIOCGSKNS` of linux/sockios.h (Linux 4.9): opens the namespace that a socket is in.
const SIOCGSKNS: libc::c_ulong = 0x894c;

/// The identity of a namespace as long as somebody holds it. A name is none:
/// it may be deleted and given to another namespace while requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetnsId {
    pub inode: u64,
    pub device: u64,
}

impl NetnsId {
    /// Where a socket is, wherever it came from. Takes CAP_NET_ADMIN.
    pub fn of_socket(socket: &impl AsFd) -> io::Result<Self> {
        Self::of(&namespace_of(socket)?)
    }

    fn of(namespace: &File) -> io::Result<Self> {
        let metadata = namespace.metadata()?;
        Ok(Self {
            inode: metadata.ino(),
            device: metadata.dev(),
        })
    }
}

fn namespace_of(socket: &impl AsFd) -> io::Result<File> {
    // SAFETY: without further arguments; the descriptor is open while it is borrowed.
    let namespace = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCGSKNS) };
    // SAFETY: the kernel has just made it for us.
    let namespace = unsafe { OwnedFd::from_raw_fd(Errno::result(namespace)?) };
    Ok(namespace.into())
}

/// An open namespace. The file descriptor keeps the namespace alive, and its
/// inode from being given to another one.
#[derive(Debug)]
pub struct Netns {
    keeper: Keeper,
    id: NetnsId,
}

/// By what a namespace is kept.
#[derive(Debug)]
enum Keeper {
    Itself(File),
    /// A socket in it, which somebody has open anyway.
    Socket(Rc<OwnedFd>),
}

#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// `ip netns add` creates the file first and mounts the namespace on it
    /// afterwards; between the two there is nothing to enter.
    #[error("{0} is no namespace (yet): nothing is mounted there")]
    NotMounted(PathBuf),
    #[error("this is no network namespace")]
    NotOne,
    #[error("cannot open the namespace {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot enter the namespace with inode {inode}: {source}; this takes CAP_SYS_ADMIN")]
    Enter { inode: u64, source: io::Error },
    #[error(
        "cannot tell the namespace with inode {inode} from later ones: {source}; this takes Linux 5.14"
    )]
    Cookie { inode: u64, source: io::Error },
}

impl Netns {
    /// Opens the namespace mounted at `path`.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let failed = |source: io::Error| NetnsError::Open {
            path: path.to_owned(),
            source,
        };
        let is_there = || statfs(path).is_ok_and(|there| there.filesystem_type() == NSFS_MAGIC);
        let opened = match File::open(path) {
            // `ip netns add` makes a file that nobody may open, and mounts the namespace on it
            // then: maybe just now.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match is_there() {
                true => File::open(path),
                false => return Err(NetnsError::NotMounted(path.to_owned())),
            },
            opened => opened,
        };
        match opened.and_then(Self::of_file).map_err(failed)? {
            Some(netns) => Ok(netns),
            None => Err(NetnsError::NotMounted(path.to_owned())),
        }
    }

    /// Takes an open namespace that somebody else has handed over.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, NetnsError> {
        // SAFETY: asks the kernel for a number; without further arguments.
        let kind = unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) };
        match Self::of_file(fd.into()) {
            Ok(Some(netns)) if kind == CloneFlags::CLONE_NEWNET.bits() => Ok(netns),
            _ => Err(NetnsError::NotOne),
        }
    }

    /// `None` for a file that is no namespace.
    fn of_file(file: File) -> io::Result<Option<Self>> {
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            return Ok(None);
        }
        let id = NetnsId::of(&file)?;
        let keeper = Keeper::Itself(file);
        Ok(Some(Self { keeper, id }))
    }

    /// From now on keeps the namespace by a socket in it, which spares a descriptor.
    pub fn keep_by(&mut self, socket: Rc<OwnedFd>) {
        self.keeper = Keeper::Socket(socket);
    }

    /// From now on keeps the namespace by itself: the socket is about to close.
    pub fn keep_by_itself(&mut self) -> io::Result<()> {
        if let Keeper::Socket(socket) = &self.keeper {
            self.keeper = Keeper::Itself(namespace_of(socket)?);
        }
        Ok(())
    }

    /// Calls `work` with a descriptor of the namespace.
    pub fn with_descriptor<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
        Ok(match &self.keeper {
            Keeper::Itself(file) => work(file.as_fd()),
            Keeper::Socket(socket) => work(namespace_of(socket)?.as_fd()),
        })
    }

    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// A number that no other namespace has had or gets until the kernel is started anew,
    /// unlike the inode's. Takes Linux 5.14.
    pub fn cookie(&self) -> Result<u64, NetnsError> {
        let refused = |source| NetnsError::Cookie {
            inode: self.id.inode,
            source,
        };
        let socket = self.run(UnixDatagram::unbound)?.map_err(refused)?;
        let (mut cookie, mut length) = (0_u64, size_of::<u64>() as libc::socklen_t);
        // SAFETY: the kernel writes at most `length` bytes, which `cookie` has.
        let asked = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_NETNS_COOKIE,
                (&raw mut cookie).cast(),
                &raw mut length,
            )
        };
        Errno::result(asked).map_err(|errno| refused(errno.into()))?;
        Ok(cookie)
    }

    /// Runs `inside` on this thread in the namespace, then comes back. Sockets
    /// that it makes stay in the namespace wherever they are used later.
    ///
    /// `inside` cannot await: the thread serves nothing else meanwhile. A thread
    /// that could not come back would act on the wrong namespace from then on,
    /// so that ends the process.
    pub fn run<T>(&self, inside: impl FnOnce() -> T) -> Result<T, NetnsError> {
        let enter = |source: io::Error| NetnsError::Enter {
            inode: self.id.inode,
            source,
        };
        let home = File::open("/proc/thread-self/ns/net").map_err(enter)?;
        self.with_descriptor(|namespace| setns(namespace, CloneFlags::CLONE_NEWNET))
            .and_then(|entered| Ok(entered?))
            .map_err(enter)?;
        let _way_back = WayBack(home);
        Ok(inside())
    }
}

/// Returns on drop, so that a panic inside does not leave the thread there.
struct WayBack(File);

impl Drop for WayBack {
    fn drop(&mut self) {
        if let Err(errno) = setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET) {
            tracing::error!(%errno, "cannot return from a network namespace; giving up");
            std::process::abort();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_is_no_namespace() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            Netns::open(file.path()),
            Err(NetnsError::NotMounted(_))
        ));
    }

    #[test]
    fn nor_is_one_that_nobody_may_open() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .unwrap();
        for set in [caps::CapSet::Effective, caps::CapSet::Permitted] {
            caps::clear(None, set).unwrap();
        }
        assert!(matches!(
            Netns::open(file.path()),
            Err(NetnsError::NotMounted(_))
        ));
    }

    #[test]
    fn only_a_network_namespace_is_taken_over() {
        let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
        let own = Netns::from_fd(open("/proc/self/ns/net")).unwrap();
        let named = Netns::open(Path::new("/proc/self/ns/net")).unwrap();
        assert_eq!(own.id(), named.id());
        for other in ["/proc/self/ns/mnt", "/dev/null"] {
            assert!(matches!(
                Netns::from_fd(open(other)),
                Err(NetnsError::NotOne)
            ));
        }
    }

    #[test]
    fn a_socket_tells_where_it_is() {
        let own = Netns::open(Path::new("/proc/self/ns/net")).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(NetnsId::of_socket(&socket).unwrap(), own.id());
    }

    #[test]
    fn a_namespace_is_entered_by_a_socket_in_it() {
        let path = Path::new("/proc/self/ns/net");
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut netns = Netns::open(path).unwrap();
        let descriptor = |netns: &Netns| {
            let copy = netns.with_descriptor(|fd| fd.try_clone_to_owned().unwrap());
            Netns::from_fd(copy.unwrap()).unwrap().id()
        };
        assert_eq!(descriptor(&netns), netns.id());
        netns.keep_by(Rc::new(socket.into()));
        assert_eq!(descriptor(&netns), netns.id());
        netns.keep_by_itself().unwrap();
        assert_eq!(descriptor(&netns), netns.id());
    }

    #[test]
    fn a_cookie_is_the_namespaces_own() {
        let cookie = |path: &str| Netns::open(Path::new(path)).unwrap().cookie().unwrap();
        assert_eq!(
            cookie("/proc/self/ns/net"),
            cookie("/proc/thread-self/ns/net")
        );
        let elsewhere = std::thread::spawn(move || {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET).unwrap();
            cookie("/proc/thread-self/ns/net")
        });
        assert_ne!(cookie("/proc/self/ns/net"), elsewhere.join().unwrap());
    }

    #[test]
    fn two_handles_of_one_namespace_have_one_identity() {
        let path = Path::new("/proc/self/ns/net");
        assert_eq!(
            Netns::open(path).unwrap().id(),
            Netns::open(path).unwrap().id()
        );
    }
}
