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

    fn children_in(&self, state: char) -> Result<Vec<u32>> {
        let children = proc::children(self.first_process()?)?.into_iter();
        let states = children.map(|child| Ok((child, proc::status(child, "State")?)));
        let states = states.collect::<Result<Vec<_>>>()?.into_iter();
        let wanted = states.filter(|(_, found)| found.starts_with(state));
        Ok(wanted.map(|(child, _)| child).collect())
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
        let worker = container
            .children_in('S')?
            .into_iter()
            .find(|child| proc::warden_of(*child).is_ok());
        send(worker.context("there is no worker")?, Signal::SIGKILL)?;
    }
    wait::until("no child has ended that is not waited for", LIMIT, || {
        Ok(container.children_in('Z')?.is_empty())
    })
}
