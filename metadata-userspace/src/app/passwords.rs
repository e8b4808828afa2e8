//! The directory in which the embedded API keeps the passwords that guests post.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use anyhow::Context;
use nix::libc::{O_DIRECTORY, O_NOFOLLOW};
use nix::unistd::Uid;

use crate::config::Account;
use crate::rights::{as_user, or_as_owner, or_as_owner_for};

/// The worker is one of its group, and whoever else is may not remove what the worker made.
const SHARED: u32 = 0o1770;

/// Makes the directory where it is missing, for the worker.
pub fn prepare(directory: &Path, account: &Account) -> anyhow::Result<()> {
    or_as_owner_for(account.gid, directory, || fs::create_dir_all(directory))
        .and_then(|()| admit(account, &open(directory)?))
        .with_context(|| {
            format!(
                "cannot prepare {} for guests' passwords",
                directory.display()
            )
        })
}

/// A link is not followed: whoever may write above the directory could have made it.
fn open(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW);
    or_as_owner(directory, || options.open(directory))
}

/// Where the worker may write already, nothing is written: the file system may have become
/// read-only. The directory's group becomes the worker's, not its owner, whom only
/// `CAP_CHOWN` could change.
fn admit(account: &Account, directory: &File) -> io::Result<()> {
    let now = directory.metadata()?;
    let gid = account.gid.as_raw();
    let is_shared = now.gid() == gid && now.mode() & 0o7777 == SHARED;
    if now.uid() == account.uid.as_raw() || is_shared {
        return Ok(());
    }
    as_user(Uid::from_raw(now.uid()), account.gid, || {
        fchown(directory, None, Some(gid))?;
        directory.set_permissions(Permissions::from_mode(SHARED))
    })
}
