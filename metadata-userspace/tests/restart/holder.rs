//! The process that holds guests' sockets between two daemons.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;
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
        let mut all = BTreeSet::new();
        for file in fs::read_dir(format!("/proc/{}/fd", self.0))? {
            let target = fs::read_link(file?.path())?;
            if target.to_string_lossy().starts_with("socket:") {
                all.insert(target);
            }
        }
        // One is the connection to the daemon.
        Ok(all.len() - 1)
    }
}
