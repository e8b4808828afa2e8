//! Programs that are exchanged while they run.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process;

/// Copies a program, to be executed at once.
///
/// Another process does it: the kernel executes no file that somebody has open for writing
/// (ETXTBSY, execve(2)), and what this one had open, a child that another thread forked just
/// then has too.
///
/// # Errors
/// When it cannot be copied.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    process::run(Command::new("cp").arg(from.as_ref()).arg(to.as_ref()))
}
