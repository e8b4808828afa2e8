//! Becoming root, for as little as possible: what is built belongs to the user.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// The command line that runs another one as root.
const SUDO: &str = "sudo --preserve-env";

/// Whether this process may make namespaces and load programs.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// What to write before a command line so that it runs as root, if there is a
/// way.
#[must_use]
pub fn sudo() -> Option<&'static str> {
    process::exists("sudo").then_some(SUDO)
}

/// A command that runs `program` as root.
///
/// # Errors
/// When this process is not root and there is no sudo.
pub fn as_root(program: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    let Some(sudo) = sudo() else {
        bail!("`{program}` must run as root: run this command as root, or install sudo");
    };
    let mut words = sudo.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg(program);
    Ok(command)
}

/// Replaces this process by itself as root with other arguments; returns at
/// once when it is root already.
///
/// # Errors
/// When there is no sudo, or it cannot be started.
pub fn become_root(arguments: &[String]) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let myself = std::env::current_exe()?;
    let mut command = as_root(&myself.to_string_lossy())?;
    let error = command.args(arguments).exec();
    bail!("cannot start sudo: {error}");
}
