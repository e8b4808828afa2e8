//! An outage leaves nothing behind in the process that lived through it.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::{proc, wait};

use super::Region;
use crate::cloud::Mood;

/// Connections that are kept idle for a while are no leak.
const KEPT: Duration = Duration::from_secs(40);

const AT_ONCE: usize = 30;

#[test]
fn files_and_threads_are_what_they_were_before_an_outage() -> Result<()> {
    let mut region = Region::create(2)?;
    region.wait_for("neutron", true)?;
    region.corners[0].is_served()?;
    let worker = region.daemon.worker_pid()?;
    let (files, threads) = (proc::open_files(worker)?, proc::threads(worker)?);
    region.cloud.neutron.set(Mood::Silent);
    thread::scope(|scope| {
        let corner = &region.corners[1];
        let strangers: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| corner.is_put_off()))
            .collect();
        strangers.into_iter().try_for_each(|stranger| {
            let outcome = stranger.join();
            outcome.map_err(|_| anyhow!("a stranger was not put off"))?
        })
    })?;
    region.cloud.neutron.set(Mood::Well);
    region.wait_for("neutron", true)?;
    region.corners[1].is_served()?;
    let as_before = || {
        let now = (proc::open_files(worker)?, proc::threads(worker)?);
        Ok(now.0 <= files + 2 && now.1 <= threads)
    };
    wait::until("the worker is what it was", KEPT, as_before)
}
