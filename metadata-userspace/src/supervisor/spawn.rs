//! Starting a worker.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::control::{self, Control, ControlError};
use crate::config::Account;

/// A worker and the channel to it.
pub struct Spawned {
    pub child: Child,
    pub control: Control,
}

/// Starts this very program again as a worker. It inherits nothing but its
/// standard error and, as standard input, its end of the control channel; it
/// becomes `account` before it does anything else.
pub fn spawn(account: &Account) -> Result<Spawned, ControlError> {
    let (ours, theirs) = control::pair()?;
    let child = command(account, theirs).spawn()?;
    Ok(Spawned {
        child,
        control: Control::new(ours)?,
    })
}

fn command(account: &Account, control: OwnedFd) -> Command {
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
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command
}
