//! The directory in which the embedded API keeps the passwords that guests post.

use std::path::Path;

use anyhow::Context;

use crate::config::Account;
use crate::supervisor::sockets::{Access, give_to};

/// Makes the directory where it is missing, for the worker alone.
pub fn prepare(directory: &Path, account: &Account) -> anyhow::Result<()> {
    let &Account { uid, gid, .. } = account;
    let mode = 0o700;
    std::fs::create_dir_all(directory)
        .and_then(|()| give_to(directory, Access { uid, gid, mode }))
        .with_context(|| {
            format!(
                "cannot prepare {} for guests' passwords",
                directory.display()
            )
        })
}
