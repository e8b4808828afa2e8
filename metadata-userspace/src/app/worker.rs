//! `metadatad worker`: the unprivileged process, started by the supervisor.

use std::io::stdin;
use std::os::fd::AsFd;

use anyhow::Context;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid};
use tokio::signal::unix::{SignalKind, signal};

use crate::worker::{orders, privileges};

/// Gives up every privilege, then takes orders over standard input.
pub fn run(uid: u32, gid: u32) -> anyhow::Result<()> {
    // It was started as /proc/self/exe, and `ps -e` and `ss -p` would say `exe`.
    prctl::set_name(c"metadatad").context("cannot name the process")?;
    privileges::drop_all(Uid::from_raw(uid), Gid::from_raw(gid))?;
    let control = stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("no control channel on standard input")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // The terminal's Ctrl-C and systemd's SIGTERM reach every process of the
        // daemon; the supervisor decides what they mean.
        let _interrupt = signal(SignalKind::interrupt())?;
        let _terminate = signal(SignalKind::terminate())?;
        let _hang_up = signal(SignalKind::hangup())?;
        Ok(orders::follow(control).await?)
    })
}
