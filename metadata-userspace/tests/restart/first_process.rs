//! As the first process of a container, whose children become all that lose their parent.

use std::process::{Child, Command};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, send};
use xtask::lab::site::Site;
use xtask::lab::{proc, wait};

use crate::{DOCUMENT, LIMIT, METADATAD};

/// Ended on drop, with all in it.
struct Container(Child);

impl Container {
    /// In the place of a daemon that has stopped.
    fn of(daemon: &Daemon) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", METADATAD]);
        command
            .args(["run", "--config-file"])
            .arg(daemon.config_file());
        Ok(Self(command.spawn()?))
    }

    /// Its number outside.
    fn first_process(&self) -> Result<u32> {
        let first = proc::children(self.0.id())?.into_iter().next();
        first.context("there is no process in the container")
    }

    fn children(&self) -> Result<Vec<u32>> {
        proc::children(self.first_process()?)
    }

    /// Its number outside. Nobody else has a child of its own.
    fn worker(&self) -> Result<Option<u32>> {
        let mut children = self.children()?.into_iter();
        Ok(children.find(|child| proc::warden_of(*child).is_ok()))
    }

    /// Whether a child has ended that nobody waited for. One that is gone was waited for.
    fn has_zombie(&self) -> Result<bool> {
        let is_zombie =
            |child| proc::status(child, "State").is_ok_and(|state| state.starts_with('Z'));
        Ok(self.children()?.into_iter().any(is_zombie))
    }

    fn kill_worker(&self) -> Result<()> {
        let mut worker = None;
        wait::until("there is a worker, with a warden", LIMIT, || {
            worker = self.worker()?;
            Ok(worker.is_some())
        })?;
        send(worker.context("there is no worker")?, Signal::SIGKILL)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let first = self.first_process();
        if let Err(error) = first.and_then(|first| send(first, Signal::SIGKILL)) {
            eprintln!("warning: a container stays: {error:#}");
        }
        let _ = self.0.wait();
    }
}

#[test]
fn it_waits_for_the_wardens_of_workers_that_were_killed() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    site.daemon.stop()?;
    let container = Container::of(&site.daemon)?;
    for _ in 0..3 {
        wait::until("the guest is answered", LIMIT, || {
            Ok(site
                .guest
                .get(DOCUMENT)
                .is_ok_and(|answer| answer.status == 200))
        })?;
        container.kill_worker()?;
    }
    wait::until("no child has ended that is not waited for", LIMIT, || {
        Ok(!container.has_zombie()?)
    })
}
