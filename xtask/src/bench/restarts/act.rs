//! What is done to the daemon.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::scene::Scene;
use crate::lab::kills::Kills;

/// `RestartSec=` of the unit.
const UNTIL_STARTED_AGAIN: Duration = Duration::from_millis(500);
/// Between two acts.
const PAUSE: Duration = Duration::from_millis(300);
/// The daemon starts a worker at once only after one that lived for a second.
const LIFE_OF_A_WORKER: Duration = Duration::from_millis(1_200);

/// One thing that happens to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Act {
    Restart,
    Reload,
    Upgrade,
    KillParent,
    KillWorker,
    KillBoth,
}

impl Act {
    pub(super) const ALL: &[Self] = &[
        Self::Restart,
        Self::Reload,
        Self::Upgrade,
        Self::KillParent,
        Self::KillWorker,
        Self::KillBoth,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Upgrade => "upgrade",
            Self::KillParent => "kill -9 of the parent",
            Self::KillWorker => "kill -9 of the worker",
            Self::KillBoth => "kill -9 of both",
        }
    }

    /// Does it, and waits until it is over. `number` counts those before.
    ///
    /// # Errors
    /// When the daemon does not come to serve again.
    pub(super) fn perform(self, scene: &mut Scene, number: u32, kills: &Kills) -> Result<()> {
        match self {
            Self::Restart => {
                scene.daemon.stop()?;
                scene.start_again()?;
            }
            Self::Reload => scene.reload()?,
            Self::Upgrade => scene.upgrade(number)?,
            Self::KillParent => {
                scene.daemon.kill()?;
                sleep(UNTIL_STARTED_AGAIN);
                scene.start_again()?;
            }
            Self::KillWorker => {
                let worker = scene.daemon.worker_pid()?;
                kills.kill(worker, None)?;
                scene.await_another_worker(worker)?;
                sleep(LIFE_OF_A_WORKER);
            }
            Self::KillBoth => {
                kills.kill(scene.daemon.worker_pid()?, Some(scene.daemon.pid()))?;
                // It is dead already.
                scene.daemon.kill()?;
                sleep(UNTIL_STARTED_AGAIN);
                scene.start_again()?;
            }
        }
        sleep(PAUSE);
        Ok(())
    }
}
