//! Acting on files with the rights of those who have a say in what they are.
//!
//! The supervisor is root. Whoever owns a file, a directory above it or a link on the way to
//! it decides what is found there, and could put a link to what is root's in its place. So it
//! is seen before anything is opened who that is ([`Way`]), and what is other users' is acted
//! on with their rights and no more.

mod way;

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getgroups, setfsgid, setfsuid};

pub use way::{Owner, Way, Whose};

/// Acts on what is at `path`, links followed, with the rights of whoever has a say in what
/// that is. `act` gets the path by which to reach it.
///
/// # Errors
/// Those of `act`; when the way cannot be seen, or the user not be acted as.
pub fn act_on<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    Way::to(path)?.act(act)
}

/// The same with an entry of a directory: whoever has a say in the directory counts, and the
/// entry may be anything, or missing.
///
/// # Errors
/// As [`act_on`].
pub fn act_on_entry<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    act_on(directory_of(path), |directory| act(&directory.join(name)))
}

/// The directory that has `path` as an entry.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// Runs `act`, on the calling thread alone, with the rights to files of another user.
///
/// # Errors
/// `PermissionDenied` when this process may not be that user; those of `act`.
pub fn as_user<T>(uid: Uid, gid: Gid, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let restored = Restored::now()?;
    restored.leave_groups()?;
    let wanted = Identity { uid, gid };
    wanted.take();
    if Identity::now() != wanted {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    act()
}

/// By which the calling thread acts on files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    fn now() -> Self {
        // setfsuid(2): what is no user changes nothing, and the user now is returned.
        let nobody = u32::MAX;
        Self {
            uid: setfsuid(Uid::from_raw(nobody)),
            gid: setfsgid(Gid::from_raw(nobody)),
        }
    }

    fn take(self) {
        setfsgid(self.gid);
        setfsuid(self.uid);
    }
}

/// For the calling thread alone; setgroups(3) is for all.
fn set_groups(groups: &[Gid]) -> io::Result<()> {
    // SAFETY: the kernel reads so many numbers, which is what they are.
    let done = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    Errno::result(done)?;
    Ok(())
}

/// Becomes what it was when it is dropped.
struct Restored {
    identity: Identity,
    groups: Vec<Gid>,
    is_dumpable: bool,
}

impl Restored {
    fn now() -> io::Result<Self> {
        Ok(Self {
            identity: Identity::now(),
            groups: getgroups()?,
            is_dumpable: prctl::get_dumpable().unwrap_or(false),
        })
    }

    /// Whoever is acted as would have them too (credentials(7)): a login of root's is in root's
    /// group.
    fn leave_groups(&self) -> io::Result<()> {
        match self.groups.is_empty() {
            true => Ok(()),
            false => set_groups(&[]),
        }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        self.identity.take();
        if !self.groups.is_empty() {
            let _ = set_groups(&self.groups);
        }
        // Another identity lets root have core dumps where fs.suid_dumpable says so (prctl(2),
        // PR_SET_DUMPABLE), whatever this process has chosen.
        let _ = prctl::set_dumpable(self.is_dumpable);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
