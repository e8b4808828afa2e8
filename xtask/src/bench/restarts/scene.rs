//! Two routers with four guests each, and a daemon that is a service.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::bench::load::Generator;
use crate::bench::nginx::Upstream;
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::Guest;
use crate::lab::inventory::{self, Instance};
use crate::lab::namespace::Namespace;
use crate::lab::router::{Router, Subnet};
use crate::lab::service_manager::ServiceManager;
use crate::lab::{programs, wait};
use crate::releases::{self, Profile, Release};

const ROUTERS: u8 = 2;
const GUESTS_EACH: u8 = 4;
const LIMIT: Duration = Duration::from_secs(20);

/// Fields are dropped in this order: processes before namespaces.
pub(super) struct Scene {
    pub(super) daemon: Daemon,
    manager: Arc<ServiceManager>,
    /// Where the daemon's program is installed.
    installed: PathBuf,
    _directory: TempDir,
    _upstream: Upstream,
    this_release: PathBuf,
    /// The versions that have pins while this release runs: one.
    our_abi: Vec<String>,
    guests: Vec<Guest>,
    _routers: Vec<Router>,
}

impl Scene {
    /// # Errors
    /// When a part of it cannot be made.
    pub(super) fn set(binary: &Path) -> Result<Self> {
        let routers = (0..ROUTERS).map(|_| Router::create());
        let routers = routers.collect::<Result<Vec<_>>>()?;
        let (mut guests, mut instances) = (Vec::new(), Vec::new());
        for (number, router) in (0..).zip(&routers) {
            for place in 0..GUESTS_EACH {
                let guest = Guest::behind(router, subnet(number, place))?;
                Generator::prepare(&guest)?;
                instances.push(Instance::of(&guest, router, "guest")?);
                guests.push(guest);
            }
        }
        let directory = tempfile::tempdir()?;
        let installed = directory.path().join("metadatad");
        programs::copy(binary, &installed)?;
        let upstream = Upstream::start()?;
        let manager = Arc::new(ServiceManager::start()?);
        let names: Vec<&str> = routers.iter().map(|one| one.namespace().name()).collect();
        let setup = Setup::new(&installed, &names, inventory::file(&instances)?)?;
        let setup = setup.nova_port(upstream.nova_port()).service_of(&manager);
        let daemon = Daemon::serving(setup, &names)?;
        let scene = Self {
            our_abi: pinned_versions(daemon.bpffs())?,
            daemon,
            manager,
            installed,
            _directory: directory,
            _upstream: upstream,
            this_release: binary.to_owned(),
            guests,
            _routers: routers,
        };
        scene.await_ready()?;
        Ok(scene)
    }

    /// Their namespaces.
    pub(super) fn guests(&self) -> Vec<Namespace> {
        let names = self.guests.iter().map(|guest| guest.namespace().name());
        names.map(Namespace::of_somebody).collect()
    }

    /// As the service manager does after a stop or a crash.
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.manager.clear_said();
        self.daemon.start_again()?;
        self.await_ready()
    }

    pub(super) fn reload(&mut self) -> Result<()> {
        let worker = self.daemon.worker_pid()?;
        self.manager.clear_said();
        self.daemon.signal(Signal::SIGHUP)?;
        self.await_ready()?;
        self.await_another_worker(worker)
    }

    /// Installs another release and reloads; `number` counts those before.
    pub(super) fn upgrade(&mut self, number: u32) -> Result<()> {
        let other = |release| releases::executable(release, Profile::Release);
        let (program, has_our_abi) = match number % 3 {
            0 => (other(Release::NextCode)?, true),
            1 => (other(Release::NextAbi)?, false),
            _ => (self.this_release.clone(), true),
        };
        let before = self.program_ids()?;
        // As a package manager does.
        let new = self.installed.with_extension("new");
        programs::copy(&program, &new)?;
        fs::rename(&new, &self.installed)?;
        self.reload()?;
        ensure!(self.program_ids()? != before, "the programs are the same");
        wait::until("one version alone has pins", LIMIT, || {
            let pinned = pinned_versions(self.daemon.bpffs())?;
            Ok(pinned.len() == 1 && (pinned == self.our_abi) == has_our_abi)
        })
    }

    pub(super) fn await_another_worker(&mut self, before: u32) -> Result<()> {
        self.daemon.wait("another worker serves", |daemon| {
            Ok(daemon.worker_pid().is_ok_and(|pid| pid != before))
        })
    }

    fn program_ids(&self) -> Result<serde_json::Value> {
        let status = self.daemon.status()?;
        status.get("programs").cloned().context("no programs")
    }

    fn await_ready(&self) -> Result<()> {
        wait::until("the daemon says that it is ready", LIMIT, || {
            let said = self.manager.said();
            Ok(said.iter().any(|text| text.starts_with("READY=1")))
        })
    }
}

/// Directories of pins, which have the ABI's number in their names.
fn pinned_versions(bpffs: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(bpffs)?.map(|entry| Ok(entry?.file_name().into_string()));
    let names = names.collect::<Result<Vec<_>>>()?.into_iter().flatten();
    Ok(names.filter(|name| name.starts_with('v')).collect())
}

fn subnet(router: u8, place: u8) -> Subnet {
    Subnet {
        guest: [10, 20 + router, place, 5].into(),
        gateway: [10, 20 + router, place, 1].into(),
        prefix: 24,
    }
}
