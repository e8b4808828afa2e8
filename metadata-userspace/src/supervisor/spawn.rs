//! Starting a worker.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::control::{self, Control, ControlError};
use super::inherited::FOR_ONE_PROCESS;
use super::succession::Succession;
use crate::config::Account;

/// A worker and the channel to it.
pub struct Spawned {
    pub child: Child,
    pub control: Control,
}

/// Starts this very program again as a worker. It inherits nothing but its
/// standard error, as standard input its end of the control channel, and as standard output
/// the reading end of the succession; it becomes `account` before it does anything else.
/// When nobody holds the other end of the channel it ends by itself, or is ended by its
/// [warden](crate::worker::warden).
pub fn spawn(account: &Account, succession: &Succession) -> Result<Spawned, ControlError> {
    let (ours, theirs) = control::pair()?;
    let succession = succession.as_fd().try_clone_to_owned()?;
    let child = command(account, theirs, succession).spawn()?;
    Ok(Spawned {
        child,
        control: Control::new(ours)?,
    })
}

fn command(account: &Account, control: OwnedFd, succession: OwnedFd) -> Command {
    // The path of the running file, also after an upgrade replaced it on disk.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("metadatad")
        .arg("worker")
        .args([
            "--uid",
            &account.uid.to_string(),
            "--gid",
            &account.gid.to_string(),
        ])
        .stdin(Stdio::from(control))
        .stdout(Stdio::from(succession));
    for variable in FOR_ONE_PROCESS.iter().chain(&["NOTIFY_SOCKET"]) {
        command.env_remove(variable);
    }
    command
}
