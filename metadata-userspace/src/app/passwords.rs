//! The directory in which the embedded API keeps guests' passwords.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use nix::unistd::chown;

use crate::config::Account;

/// Makes the directory where it is missing, for the worker alone.
pub fn prepare(directory: &Path, account: &Account) -> anyhow::Result<()> {
    let what = || {
        format!(
            "cannot prepare {} for guests' passwords",
            directory.display()
        )
    };
    std::fs::create_dir_all(directory).with_context(what)?;
    chown(directory, Some(account.uid), Some(account.gid)).with_context(what)?;
    std::fs::set_permissions(directory, Permissions::from_mode(0o700)).with_context(what)
}
