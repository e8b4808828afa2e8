//! Acting on files with the rights of their owner.
//!
//! The supervisor is root, whom `CAP_DAC_OVERRIDE` and `CAP_CHOWN` would let act on any file.
//! In a directory of somebody else's that is dangerous: who may write there can put a link
//! in the place of what root is about to open or give away. So what is other users' is
//! acted on with their rights and no more.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

/// Runs `act`, on the calling thread alone, with the rights to files of another user.
///
/// # Errors
/// `PermissionDenied` when this process may not be that user; those of `act`.
pub fn as_user<T>(uid: Uid, gid: Gid, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _restored = Restored(Rights::now());
    let wanted = Rights { uid, gid };
    wanted.take();
    if Rights::now() != wanted {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    act()
}

/// Runs `act`, and once more with the rights of the owner of `path`, or of the first
/// directory above it that does not let us look further, when permission is denied.
pub fn or_as_owner<T>(path: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match act() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (uid, gid) = owner(path).ok_or(error)?;
            as_user(uid, gid, act)
        }
        done => done,
    }
}

/// The same, but in either case as one of the group `gid`, to which what is made belongs then.
pub fn or_as_owner_for<T>(gid: Gid, path: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match as_user(Rights::now().uid, gid, &act) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (uid, _) = owner(path).ok_or(error)?;
            as_user(uid, gid, act)
        }
        done => done,
    }
}

fn owner(path: &Path) -> Option<(Uid, Gid)> {
    let mut found = path.ancestors().filter_map(|part| part.metadata().ok());
    let metadata = found.next()?;
    Some((Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid())))
}

/// Of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights {
    uid: Uid,
    gid: Gid,
}

/// Takes these rights when it is dropped.
struct Restored(Rights);

impl Rights {
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

impl Drop for Restored {
    fn drop(&mut self) {
        self.0.take();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use caps::{CapSet, Capability};

    use super::*;

    const STRANGER: u32 = 54_321;

    /// What root may, without what lets it act on any file.
    fn give_up_overriding() {
        for capability in [
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_DAC_READ_SEARCH,
        ] {
            // Those of root come back with root's rights, as far as they are permitted.
            for set in [CapSet::Effective, CapSet::Permitted] {
                caps::drop(None, set, capability).unwrap();
            }
        }
    }

    fn for_stranger_only(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }

    #[test]
    fn what_is_a_strangers_is_read_as_the_stranger_and_what_is_roots_is_not() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
        let directory = outer.path().join("theirs");
        fs::create_dir(&directory).unwrap();
        let (theirs, ours) = (directory.join("theirs"), outer.path().join("ours"));
        fs::write(&theirs, "theirs").unwrap();
        fs::write(&ours, "ours").unwrap();
        fs::set_permissions(&ours, Permissions::from_mode(0o600)).unwrap();
        let link = directory.join("link");
        symlink(&ours, &link).unwrap();
        for_stranger_only(&theirs, 0o600);
        for_stranger_only(&directory, 0o700);
        give_up_overriding();

        let read = |path: &Path| or_as_owner(path, || fs::read_to_string(path));
        assert!(fs::read_to_string(&theirs).is_err());
        assert_eq!(read(&theirs).unwrap(), "theirs");
        // The stranger's link to what the stranger may not read.
        assert!(read(&link).is_err());
        assert_eq!(read(&ours).unwrap(), "ours");
    }

    #[test]
    fn what_is_made_as_somebody_is_theirs_and_the_thread_is_itself_again() {
        let directory = tempfile::tempdir().unwrap();
        for_stranger_only(directory.path(), 0o700);
        let path = directory.path().join("file");
        let (uid, gid) = (Uid::from_raw(STRANGER), Gid::from_raw(STRANGER));
        let before = Rights::now();
        as_user(uid, gid, || fs::write(&path, "")).unwrap();
        assert_eq!(Rights::now(), before);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (STRANGER, STRANGER));
    }
}
