//! The daemon as one of a line: what it has from those before it, and what it leaves to
//! the one that comes next.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use tokio::task::spawn_local;

use crate::supervisor::inherited::Inherited;
use crate::supervisor::orphans::Orphans;
use crate::supervisor::service_manager::ServiceManager;
use crate::supervisor::succession::{self, Succession};
use crate::supervisor::successor::{NoSuccessor, Successor};

/// By what name guests' sockets are left. The sockets tell the rest: there may be
/// thousands, and the kernel takes no more than 128 KiB of names (`LISTEN_FDNAMES`).
pub const PROXY: &str = "proxy";

/// Those before and after this process.
pub struct Lineage {
    manager: ServiceManager,
    successor: Successor,
    succession: Rc<Succession>,
    /// What workers wait for whose supervisors are gone.
    wills: Vec<OwnedFd>,
    /// Workers that are our children all the same.
    orphans: Orphans,
    /// What is left besides guests' sockets, by name.
    belongings: Vec<(&'static str, Rc<OwnedFd>)>,
}

impl Lineage {
    /// Needs tokio's local task set.
    pub fn begin(inherited: &mut Inherited) -> io::Result<Self> {
        let manager = ServiceManager::of_environment();
        let succession = Succession::new()?;
        // What the service manager keeps, it alone keeps: so it can be seen whether it
        // does.
        manager.keep(succession::NAME, &[succession.will()?]);
        let orphans = Orphans::new(std::mem::take(&mut inherited.workers));
        spawn_local(reap(orphans.clone()));
        Ok(Self {
            manager,
            successor: Successor::of_this_process()?,
            succession: Rc::new(succession),
            wills: inherited.take_all(succession::NAME),
            orphans,
            belongings: Vec::new(),
        })
    }

    pub fn succession(&self) -> Rc<Succession> {
        self.succession.clone()
    }

    pub fn service_manager(&self) -> &ServiceManager {
        &self.manager
    }

    pub fn successor(&self) -> &Successor {
        &self.successor
    }

    /// Leaves something under a name, from now on.
    pub fn leave(&mut self, name: &'static str, descriptor: Rc<OwnedFd>, was_left: bool) {
        if !was_left {
            self.manager.keep(name, &[&*descriptor]);
        }
        self.belongings.push((name, descriptor));
    }

    /// Tells earlier workers that ours serves everything.
    pub fn relieve_predecessors(&mut self) {
        self.wills.drain(..).for_each(succession::take_over);
    }

    /// Whether somebody keeps what this process leaves behind when it ends.
    pub fn has_heir(&self) -> bool {
        self.succession.is_kept()
    }

    /// Becomes the new program, if that can be executed. `worker` serves until the new
    /// program's does.
    pub fn replace<'a>(
        &'a self,
        proxies: impl Iterator<Item = &'a Rc<OwnedFd>>,
        worker: Option<i32>,
    ) -> NoSuccessor {
        let will = match self.succession.will() {
            Ok(will) => will,
            Err(error) => return NoSuccessor::Handover(error.into()),
        };
        let belongings = self.belongings.iter().map(|(name, fd)| (*name, fd.as_fd()));
        let wills = self.wills.iter().chain([&will]);
        let descriptors: Vec<(&str, BorrowedFd<'_>)> = belongings
            .chain(proxies.map(|fd| (PROXY, fd.as_fd())))
            .chain(wills.map(|will| (succession::NAME, will.as_fd())))
            .collect();
        let workers = self.orphans.pids().into_iter().chain(worker).collect();
        self.manager.reloading();
        self.successor.execute(&descriptors, workers)
    }
}

async fn reap(orphans: Orphans) {
    if let Err(error) = orphans.reap().await {
        tracing::warn!(%error, "cannot hear of the end of earlier workers");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// `MAX_ARG_STRLEN` of linux/binfmts.h, in pages of 4 KiB.
    const LONGEST_VARIABLE: usize = 128 * 1024;

    #[test]
    fn the_names_of_all_that_the_unit_has_kept_fit_into_a_variable() {
        let unit = include_str!("../../../dist/metadatad.service");
        let most = unit
            .lines()
            .find_map(|line| line.strip_prefix("FileDescriptorStoreMax="));
        let most: usize = most.unwrap().parse().unwrap();
        assert!("LISTEN_FDNAMES=".len() + most * (PROXY.len() + 1) < LONGEST_VARIABLE);
    }
}
