//! Restarts, reloads and crashes of the daemon, as guests and operators see them.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod crashes;
mod deaf;
mod ended_start;
#[path = "../nova_faults/fake.rs"]
mod fake;
mod first_process;
mod found;
mod holder;
mod interrupted;
mod load;
mod moved_api;
mod predecessor;
mod reload;
mod sabotage;
mod service;
mod slow_start;
mod taken;
mod upgrade;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use holder::Holder;
use xtask::lab::daemon::Setup;
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::proc;
use xtask::lab::service_manager::ServiceManager;
use xtask::lab::site::Site;
use xtask::lab::wait;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const LIMIT: Duration = Duration::from_secs(15);
/// Short, so that a test hears of it.
const WATCHDOG: Duration = Duration::from_secs(1);

/// A site whose daemon is a service.
struct Served {
    site: Site,
    manager: Arc<ServiceManager>,
    holder: Holder,
}

impl Served {
    fn create() -> Result<Self> {
        Self::with(|setup| setup)
    }

    fn with(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        Self::of(Path::new(METADATAD), change)
    }

    fn of(program: &Path, change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let manager = Arc::new(ServiceManager::with_watchdog(WATCHDOG)?);
        let service = |setup: Setup| change(setup.service_of(&manager));
        let site = Site::with(program, |_| {}, service)?;
        let holder = Holder::of(site.daemon.pid())?;
        let served = Self {
            site,
            manager,
            holder,
        };
        served.wait_said("READY=1")?;
        Ok(served)
    }

    fn wait_said(&self, line: &str) -> Result<()> {
        wait::until(&format!("the daemon says {line}"), LIMIT, || {
            Ok(self.manager.was_told(line))
        })
    }

    /// Waits until the guests' sockets are held, of each family, and returns how many they are.
    fn wait_held(&self) -> Result<usize> {
        const FAMILIES: usize = 2;
        wait::until("one is held for each family", LIMIT, || {
            Ok(self.holder.sockets()? == FAMILIES)
        })?;
        Ok(FAMILIES)
    }

    /// `systemctl restart`.
    fn restart(&mut self) -> Result<()> {
        self.site.daemon.stop()?;
        self.start_again()
    }

    fn start_again(&mut self) -> Result<()> {
        self.manager.clear_said();
        self.site.daemon.start_again()?;
        self.wait_said("READY=1")
    }
}

/// The site's guest, for while the site changes.
fn guest_of(site: &Site) -> Guest {
    let namespace = Namespace::of_somebody(site.guest.namespace().name());
    Guest::of_somebody(namespace, site.guest.address, &site.guest.mac)
}

fn has_ended(pid: u32) -> bool {
    !proc::is_alive(pid)
}

fn wait_ended(pid: u32) -> Result<()> {
    wait::until("an earlier worker ends", LIMIT, || Ok(has_ended(pid)))
}

/// Gives the daemon's configuration an option, or another value for it.
fn configure(site: &Site, name: &str, value: &str) -> Result<()> {
    let file = site.daemon.config_file();
    let text = fs::read_to_string(&file)?;
    let is_other = |line: &&str| line.split('=').next().map(str::trim) != Some(name);
    let mut lines: Vec<&str> = text.lines().filter(is_other).collect();
    let option = format!("{name} = {value}");
    let ours = lines.iter().position(|line| *line == "[metadatad]");
    lines.insert(ours.map_or(0, |at| at + 1), &option);
    fs::write(file, lines.join("\n") + "\n")?;
    Ok(())
}
