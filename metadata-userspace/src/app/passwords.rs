//! The directory in which the embedded API keeps the passwords that guests post.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use anyhow::Context;
use nix::libc::O_DIRECTORY;

use crate::config::Account;
use crate::rights::Way;

/// The worker is one of its group, and whoever else is may not remove what the worker made.
const SHARED: u32 = 0o1770;

/// Makes the directory where it is missing, for the worker.
pub fn prepare(directory: &Path, account: &Account) -> anyhow::Result<()> {
    make(directory, account)
        .and_then(|()| admit(directory, account))
        .with_context(|| {
            format!(
                "cannot prepare {} for guests' passwords",
                directory.display()
            )
        })
}

fn make(directory: &Path, account: &Account) -> io::Result<()> {
    Way::to(directory)?.act_in_group(account.gid, |path| fs::create_dir_all(path))
}

/// Where the worker may write already, nothing is written: the file system may have become
/// read-only. The directory's group becomes the worker's, not its owner, whom only
/// `CAP_CHOWN` could change.
fn admit(directory: &Path, account: &Account) -> io::Result<()> {
    let way = Way::to(directory)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_DIRECTORY);
    let directory = way.act(|path| options.open(path))?;
    let now = directory.metadata()?;
    let gid = account.gid.as_raw();
    let is_shared = now.gid() == gid && now.mode() & 0o7777 == SHARED;
    if now.uid() == account.uid.as_raw() || is_shared {
        return Ok(());
    }
    way.act_in_group(account.gid, |_| {
        fchown(&directory, None, Some(gid))?;
        directory.set_permissions(Permissions::from_mode(SHARED))
    })
}
