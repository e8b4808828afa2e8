//! What happens: one thing every few seconds.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use nix::sys::signal::Signal;

use super::load::DOCUMENT;
use super::plant::{Fate, Plant};
use crate::lab::guest::Guest;
use crate::lab::router::Subnet;
use crate::lab::shim::{Shim, Wanted};
use crate::lab::wait;

const LIMIT: Duration = Duration::from_secs(30);
const MOST_PASSING: usize = 6;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    RouterComes,
    RouterComesWithShim,
    RouterGoes,
    ShimEnds,
    InterfaceComes,
    InterfaceGoes,
    InventoryChanges,
    OperatorsLook,
    KillWorker,
    KillSupervisor,
    KillBoth,
    Reload,
    Restart,
}

const ALL: [Act; 13] = [
    Act::RouterComes,
    Act::RouterComesWithShim,
    Act::RouterGoes,
    Act::ShimEnds,
    Act::InterfaceComes,
    Act::InterfaceGoes,
    Act::InventoryChanges,
    Act::OperatorsLook,
    Act::KillWorker,
    Act::KillSupervisor,
    Act::KillBoth,
    Act::Reload,
    Act::Restart,
];

impl Act {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::RouterComes => "a router comes, and its guest asks",
            Self::RouterComesWithShim => "a router comes with a shim, and its guest asks",
            Self::RouterGoes => "a router goes",
            Self::ShimEnds => "a shim ends",
            Self::InterfaceComes => "an interface comes to a router",
            Self::InterfaceGoes => "an interface goes",
            Self::InventoryChanges => "the inventory changes",
            Self::OperatorsLook => "status and metrics are asked for",
            Self::KillWorker => "kill -9 of the worker",
            Self::KillSupervisor => "kill -9 of the supervisor",
            Self::KillBoth => "kill -9 of both",
            Self::Reload => "reload (SIGHUP)",
            Self::Restart => "restart",
        }
    }

    pub(super) fn ends_a_worker(self) -> bool {
        self >= Self::KillWorker
    }
}

impl Plant {
    pub(super) fn choose(&self, random: &mut Rng) -> Act {
        let possible: Vec<Act> = ALL
            .into_iter()
            .filter(|act| self.is_possible(*act))
            .collect();
        random.choice(possible).unwrap_or(Act::OperatorsLook)
    }

    fn is_possible(&self, act: Act) -> bool {
        match act {
            Act::RouterComes | Act::RouterComesWithShim => self.passing.len() < MOST_PASSING,
            Act::RouterGoes => !self.passing.is_empty(),
            Act::ShimEnds => self.passing.iter().any(|lot| lot.shim.is_some()),
            Act::InterfaceComes => self.visitors.is_empty(),
            Act::InterfaceGoes => !self.visitors.is_empty(),
            Act::InventoryChanges | Act::OperatorsLook => true,
            act => self.fate == Fate::Killed && act.ends_a_worker(),
        }
    }

    pub(super) fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::RouterComes => self.add_router(false),
            Act::RouterComesWithShim => self.add_router(true),
            Act::RouterGoes => {
                self.passing.remove(0);
                self.write_inventory()
            }
            Act::ShimEnds => {
                let shims = self.passing.iter_mut().find_map(|lot| lot.shim.take());
                drop(shims);
                Ok(())
            }
            Act::InterfaceComes => self.add_interface(),
            Act::InterfaceGoes => {
                self.visitors.clear();
                Ok(())
            }
            Act::InventoryChanges => self.write_inventory(),
            Act::OperatorsLook => self.look(),
            Act::KillWorker => self.kill_worker(),
            Act::KillSupervisor => {
                self.daemon.kill()?;
                thread::sleep(Duration::from_millis(300));
                self.daemon.start_again()
            }
            Act::KillBoth => self.kill_both(),
            Act::Reload => self.reload(),
            Act::Restart => {
                self.daemon.stop()?;
                self.daemon.start_again()
            }
        }
    }

    /// A router whose guest gets its document.
    fn add_router(&mut self, with_shim: bool) -> Result<()> {
        let mut lot = self.new_lot()?;
        if with_shim {
            let wanted = Wanted::for_router(lot.router.id());
            lot.shim = Some(Shim::start(&self.daemon, lot.router.namespace(), &wanted)?);
        }
        self.passing.push(lot);
        self.write_inventory()?;
        let lot = self.passing.last().context("it was added a moment ago")?;
        wait::until("a new router's guest is served", LIMIT, || {
            let limit = Duration::from_secs(1);
            let address = crate::lab::guest::METADATA.into();
            let Ok(mut stream) = lot.guest.connect_within(address, limit) else {
                return Ok(false);
            };
            let response = crate::lab::http::get(&mut stream, DOCUMENT, "");
            Ok(response.is_ok_and(|response| response.status == 200))
        })
    }

    fn add_interface(&mut self) -> Result<()> {
        let subnet = Subnet {
            guest: Ipv4Addr::new(18, 18, 18, 5),
            gateway: Ipv4Addr::new(18, 18, 18, 1),
            prefix: 24,
        };
        let lot = self.permanent.first().context("some routers stay")?;
        self.visitors.push(Guest::behind(&lot.router, subnet)?);
        Ok(())
    }

    fn look(&self) -> Result<()> {
        self.daemon.status()?;
        let mut stream = std::os::unix::net::UnixStream::connect(self.daemon.admin_socket())?;
        let response = crate::lab::http::get(&mut stream, "/metrics", "")?;
        ensure!(response.status == 200, "{response:?}");
        Ok(())
    }

    fn kill_worker(&mut self) -> Result<()> {
        let worker = self.worker()?;
        self.line.kills.kill(worker, None)?;
        self.wait_another_worker(worker)
    }

    fn kill_both(&mut self) -> Result<()> {
        self.line
            .kills
            .kill(self.worker()?, Some(self.daemon.pid()))?;
        // It is dead already.
        self.daemon.kill()?;
        thread::sleep(Duration::from_millis(300));
        self.daemon.start_again()
    }

    fn reload(&mut self) -> Result<()> {
        let worker = self.worker()?;
        self.daemon.signal(Signal::SIGHUP)?;
        self.wait_another_worker(worker)
    }

    fn wait_another_worker(&self, before: u32) -> Result<()> {
        wait::until("another worker serves", LIMIT, || {
            Ok(self.worker().is_ok_and(|pid| pid != before))
        })
    }
}
