//! The process that holds guests' sockets between two daemons.

use anyhow::{Context, Result};
use xtask::lab::proc;

/// Its process id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder(pub(crate) u32);

impl Holder {
    /// The one that this daemon started.
    pub(crate) fn of(daemon: u32) -> Result<Self> {
        Ok(Self(proc::holder_of(daemon)?))
    }

    /// How many sockets it holds.
    pub(crate) fn sockets(self) -> Result<usize> {
        // One is the connection to the daemon.
        let held = proc::sockets(self.0)?.len().checked_sub(1);
        held.context("the holder has ended")
    }
}
