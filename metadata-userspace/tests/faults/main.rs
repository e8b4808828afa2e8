//! What goes wrong on a host: each fault is made to happen, and what guests and operators
//! see of it is what README says.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod arrivals;
mod bpf;
mod clock;
mod deletions;
mod descriptors;
mod events;
mod file_systems;
mod netlink;
#[path = "../support/readme.rs"]
mod readme;
mod stuck;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Setup, send};
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::service_manager::ServiceManager;
use xtask::lab::site::Site;
use xtask::lab::{proc, unique, wait};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn the_table_names_tests_that_there_are() -> Result<()> {
    readme::check("### When the host is in trouble")
}

/// A site whose daemon serves another router too, if that comes.
struct Estate {
    site: Site,
    newcomer: String,
}

/// A router that came while something was wrong, and the guest behind it. Dropped in this
/// order.
struct Newcomer {
    guest: Guest,
    router: Router,
}

impl Estate {
    fn create(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let newcomer = unique::uuid()?;
        let with_newcomer = |mut setup: Setup| {
            setup.namespaces.push(format!("qrouter-{newcomer}"));
            change(setup)
        };
        let site = Site::with(METADATAD, |_| {}, with_newcomer)?;
        Ok(Self { site, newcomer })
    }

    fn newcomer(&self) -> Result<Newcomer> {
        let router = Router::with_id(&self.newcomer)?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        Ok(Newcomer { guest, router })
    }

    /// The guest that was there before gets its document.
    fn is_served(&self) -> Result<()> {
        is_served(&self.site)
    }

    /// So does whoever asks behind the new router; it is nobody whom the inventory knows.
    fn wait_newcomer_served(&mut self, newcomer: &Newcomer) -> Result<()> {
        let name = newcomer.router.namespace().name();
        self.site.daemon.wait_serving(name)?;
        let response = newcomer.guest.get(DOCUMENT)?;
        ensure!(response.status == 404, "{response:?}");
        Ok(())
    }
}

fn is_served(site: &Site) -> Result<()> {
    let response = site.guest.get(DOCUMENT)?;
    ensure!(response.status == 200, "{response:?}");
    ensure!(response.json()?["uuid"] == *site.instance.uuid);
    Ok(())
}

/// The site's guest, for while the site changes.
fn guest_of(site: &Site) -> Guest {
    let namespace = Namespace::of_somebody(site.guest.namespace().name());
    Guest::of_somebody(namespace, site.guest.address, &site.guest.mac)
}

/// A site whose daemon is a service, the manager of which keeps what it leaves.
fn service(change: impl FnOnce(Setup) -> Setup) -> Result<(Site, Arc<ServiceManager>)> {
    let manager = Arc::new(ServiceManager::start()?);
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| change(setup.service_of(&manager)),
    )?;
    Ok((site, manager))
}

/// A process that does nothing until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Result<Self> {
        send(pid, Signal::SIGSTOP)?;
        wait::until("the process is stopped", LIMIT, || {
            Ok(proc::status(pid, "State")?.starts_with('T'))
        })?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = send(self.0, Signal::SIGCONT);
    }
}
