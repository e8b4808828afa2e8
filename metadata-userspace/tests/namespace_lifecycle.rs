//! Namespaces are deleted, and made again under the same name, while guests ask.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::site::Site;
use xtask::lab::{http, proc, unique, wait};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const ROUNDS: usize = 8;

/// A response under way has nobody to acknowledge it, which the kernel believes
/// after the proxy's TCP_USER_TIMEOUT of 32 s.
const FREED: Duration = Duration::from_secs(40);

/// A router that is made and removed several times under one name.
struct Passing {
    id: String,
    /// Owns the address behind it.
    instance: Instance,
}

impl Passing {
    fn plan() -> Result<Self> {
        let id = unique::uuid()?;
        let address = Subnet::TUTORIAL.guest;
        let instance = Instance::at(&id, address, "fa:16:3e:00:00:05", "passing")?;
        Ok(Self { id, instance })
    }

    fn name(&self) -> String {
        format!("qrouter-{}", self.id)
    }

    /// Makes the router, has its guest served, and removes it under load.
    fn come_and_go(&self, daemon: &mut Daemon) -> Result<()> {
        let router = Router::with_id(&self.id)?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        wait_for_inode(daemon, &router)?;
        daemon.wait_serving(&self.name())?;
        let mut connection = guest.connect()?;
        let response = http::get(&mut connection, DOCUMENT, "")?;
        assert_eq!(response.json()?["uuid"], self.instance.uuid);
        while_asking(&guest, || {
            drop(router);
            // The far end of its cable goes when the kernel really frees the
            // namespace, which needs every socket in it to be closed.
            wait::until("the namespace is freed", FREED, || {
                Ok(!has_cable(guest.namespace()))
            })
        })?;
        drop(connection);
        let name = self.name();
        daemon.wait(&format!("{name} is forgotten"), |daemon| {
            Ok(daemon.namespace(&name)?.is_none())
        })
    }
}

fn wait_for_inode(daemon: &mut Daemon, router: &Router) -> Result<()> {
    let (name, inode) = (router.namespace().name(), router.namespace().inode()?);
    daemon.wait(&format!("{name} is seen anew"), |daemon| {
        let namespace = daemon.namespace(name)?;
        Ok(namespace.is_some_and(|namespace| namespace["inode"] == inode))
    })
}

fn has_cable(namespace: &Namespace) -> bool {
    namespace.ip("link show eth0").is_ok()
}

/// Sends requests, which may fail, while `work` goes on.
fn while_asking(guest: &Guest, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let limit = Duration::from_millis(200);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Ok(mut stream) = guest.connect_within(METADATA.into(), limit)
                    && http::set_timeouts(&stream, limit).is_ok()
                {
                    let _may_fail = http::get(&mut stream, DOCUMENT, "");
                }
            }
        });
        let outcome = work();
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

/// What must not grow with each round.
#[derive(Debug)]
struct Resources {
    parent_files: usize,
    worker_files: usize,
    threads: usize,
    pins: usize,
}

impl Resources {
    fn of(daemon: &Daemon) -> Result<Self> {
        let worker = daemon.worker_pid()?;
        Ok(Self {
            parent_files: proc::open_files(daemon.pid())?,
            worker_files: proc::open_files(worker)?,
            threads: proc::threads(daemon.pid())? + proc::threads(worker)?,
            pins: pins(daemon.bpffs())?,
        })
    }

    /// The worker keeps a few connections to Nova, more or less at times; what
    /// grows with every round exceeds that.
    fn exceed(&self, earlier: &Self) -> bool {
        self.parent_files > earlier.parent_files
            || self.worker_files >= earlier.worker_files + ROUNDS
            || self.threads >= earlier.threads + ROUNDS
            || self.pins > earlier.pins
    }
}

fn pins(directory: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        count += if path.is_dir() { pins(&path)? } else { 1 };
    }
    Ok(count)
}

#[test]
fn a_router_that_comes_and_goes_leaves_nothing_and_disturbs_nobody() -> Result<()> {
    let steady_router = Router::create()?;
    let steady_guest = Guest::behind(&steady_router, Subnet::TUTORIAL)?;
    let steady = Instance::of(&steady_guest, &steady_router, "steady")?;
    let passing = Passing::plan()?;
    let names = [steady_router.namespace().name(), &passing.name()];
    let inventory = inventory::file(&[steady.clone(), passing.instance.clone()])?;
    let setup = Setup::new(METADATAD, &names, inventory)?;
    let mut daemon = Daemon::serving(setup, &names[..1])?;
    passing.come_and_go(&mut daemon)?;
    let before = Resources::of(&daemon)?;

    let done = AtomicBool::new(false);
    let is_steady = || {
        let mut answered = 0;
        while !done.load(Ordering::Relaxed) {
            assert_eq!(steady_guest.get(DOCUMENT)?.json()?["uuid"], steady.uuid);
            answered += 1;
        }
        anyhow::Ok(answered)
    };
    let answered = thread::scope(|scope| {
        let neighbour = scope.spawn(is_steady);
        let rounds = (0..ROUNDS).try_for_each(|_| passing.come_and_go(&mut daemon));
        done.store(true, Ordering::Relaxed);
        let answered = neighbour
            .join()
            .map_err(|_| anyhow!("the neighbour failed"))?;
        rounds.and(answered)
    })?;
    assert!(answered > ROUNDS, "{answered}");
    // Sockets of namespaces that are gone hold up nobody.
    let log = daemon.log();
    assert!(!log.contains("cannot accept"), "{log}");

    daemon.wait(&format!("no more than {before:?} is in use"), |daemon| {
        Ok(!Resources::of(daemon)?.exceed(&before))
    })
}

#[test]
fn a_name_that_means_another_namespace_from_one_moment_to_the_next_is_followed() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let Site {
        mut daemon,
        guest,
        instance,
        router,
    } = site;
    let id = router.id().to_owned();
    drop(router);
    // At once, and the guest's old cable is gone with the old router.
    let router = Router::with_id(&id)?;
    drop(guest);
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    wait_for_inode(&mut daemon, &router)?;
    daemon.wait_serving(router.namespace().name())?;
    assert_eq!(guest.get(DOCUMENT)?.json()?["uuid"], instance.uuid);
    Ok(())
}

#[test]
fn a_namespace_that_gets_its_name_back_at_once_stays_served() -> Result<()> {
    let router = Router::create()?;
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    router.hush(&guest.router_interface)?;
    let inventory = inventory::file(&[Instance::of(&guest, &router, "c1")?])?;
    let (names, name) = (tempfile::tempdir()?, router.namespace().name());
    let (path, namespace) = (names.path().join(name), router.namespace().path());
    symlink(&namespace, &path)?;
    let setup = Setup::new(METADATAD, &[name], inventory)?
        .option("netns_dir", &names.path().to_string_lossy());
    let mut daemon = Daemon::serving(setup, &[name])?;
    fs::remove_file(&path)?;
    daemon.wait("the name is missed", |daemon| {
        Ok(daemon.namespace(name)?.is_none())
    })?;
    symlink(&namespace, &path)?;
    daemon.wait_serving(name)?;
    // Longer than our traces stay in a namespace that is left.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(guest.get(DOCUMENT)?.status, 200);
    daemon.wait_serving(name)
}

#[test]
fn a_namespace_that_no_glob_names_is_left_alone() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let other = Namespace::create(&format!("other-{}", unique::tag()?))?;
    let unmatched = Router::create()?;
    let _guest = Guest::behind(&unmatched, Subnet::TUTORIAL)?;
    // The daemon has looked at the directory after these appeared.
    site.guest.get(DOCUMENT)?;
    assert!(site.daemon.namespace(other.name())?.is_none());
    assert!(
        site.daemon
            .namespace(unmatched.namespace().name())?
            .is_none()
    );
    let filters = unmatched.namespace().sh(&format!(
        "tc filter show dev {} ingress",
        _guest.router_interface
    ))?;
    assert_eq!(filters, "");
    Ok(())
}
