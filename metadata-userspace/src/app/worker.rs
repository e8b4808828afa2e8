//! `metadatad worker` and `metadatad holder`: the unprivileged processes, started by the
//! supervisor.

use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal as handle};
use nix::unistd::{Gid, Uid};

use crate::supervisor::holder;
use crate::worker::{orders, privileges, warden};

/// Gives up every privilege, then takes orders over standard input.
pub fn run(uid: u32, gid: u32) -> anyhow::Result<()> {
    let control = begin(uid, gid)?;
    let succession = warden::post(&control).context("cannot start the worker's warden")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(orders::follow(control, succession))?)
}

/// Gives up every privilege, then holds sockets.
pub fn hold(uid: u32, gid: u32) -> anyhow::Result<()> {
    Ok(holder::process::run(&begin(uid, gid)?)?)
}

/// Returns what came as standard input.
fn begin(uid: u32, gid: u32) -> anyhow::Result<OwnedFd> {
    // The terminal's Ctrl-C and systemd's SIGTERM reach every process of the daemon; the
    // supervisor decides what they mean.
    for meant_for_it in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: no handler is installed.
        unsafe { handle(meant_for_it, SigHandler::SigIgn) }?;
    }
    // It was started as /proc/self/exe, and `ps -e` and `ss -p` would say `exe`.
    prctl::set_name(c"metadatad").context("cannot name the process")?;
    privileges::drop_all(Uid::from_raw(uid), Gid::from_raw(gid))?;
    // Now: with each change of its user the kernel decides anew (prctl(2), PR_SET_DUMPABLE).
    prctl::set_dumpable(false).context("cannot keep secrets out of core dumps")?;
    let channel = stdin().as_fd().try_clone_to_owned();
    channel.context("no control channel on standard input")
}
