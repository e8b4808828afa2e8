//! Three namespaces and a daemon, to which things happen.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::namespace::{self, Namespace};
use xtask::lab::router::VIP;
use xtask::lab::shim::{Shim, Wanted};
use xtask::lab::{proc, unique, wait};
use xtask::process;

use crate::snapshot::{self, Space};
use crate::{Event, Place};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");

pub(crate) const KINDS: [&str; 3] = ["qrouter", "qdhcp", "ovnmeta"];

/// Longer than anything that the daemon or a shim puts off, but for shims that are awaited.
const STILL: Duration = Duration::from_millis(2500);
/// Longer than a new daemon waits for those that ended meanwhile.
const AWAITED: Duration = Duration::from_secs(11);
const LIMIT: Duration = Duration::from_secs(40);

pub(crate) struct Host {
    daemon: Daemon,
    shims: Vec<(Place, Shim)>,
    /// The daemon may await a shim that ended, until then.
    may_await: Option<Instant>,
    ids: [String; 3],
}

impl Host {
    /// With three namespaces that are served.
    pub(crate) fn start() -> Result<Self> {
        let ids = [unique::uuid()?, unique::uuid()?, unique::uuid()?];
        let names = names(&ids);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let setup = Setup::new(METADATAD, &names, String::new())?;
        let mut host = Self {
            daemon: Daemon::start(setup)?,
            shims: Vec::new(),
            may_await: None,
            ids,
        };
        for (place, name) in host.names().iter().enumerate() {
            let namespace = Namespace::create(name)?.kept();
            let interface = tenant(place);
            plug(&namespace, interface)?;
            if place > 0 {
                namespace.ip(&format!("addr add {VIP}/32 dev {interface}"))?;
            }
            host.daemon.wait_serving(name)?;
        }
        let router = host.look()?.remove(&host.names()[0]).unwrap_or_default();
        // Otherwise what a snapshot looks at would be nothing at all.
        ensure!(router.is_served_by_us_alone(), "{router:#?}");
        Ok(host)
    }

    pub(crate) fn names(&self) -> [String; 3] {
        names(&self.ids)
    }

    fn namespace(&self, place: Place) -> Namespace {
        Namespace::of_somebody(self.names().get(place).map_or("", String::as_str))
    }

    pub(crate) fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::NameCame(place) if !self.namespace(place).exists() => {
                drop(Namespace::create(self.namespace(place).name())?.kept());
            }
            Event::NameCame(_) => {}
            Event::NameWent(place) => namespace::remove(self.namespace(place).name()),
            // There may be one.
            Event::InterfaceCame(place, name) => drop(plug(&self.namespace(place), name)),
            Event::Told(place, line) => self.try_ip(place, &line),
            Event::FiltersTaken(place, name) => {
                // There may be none.
                let _ = self
                    .namespace(place)
                    .sh(&format!("tc qdisc del dev {name} clsact"));
            }
            Event::ShimCame(place) if self.namespace(place).exists() => {
                let shim = Shim::start(&self.daemon, &self.namespace(place), &self.wanted(place))?;
                self.shims.push((place, shim));
            }
            Event::ShimCame(_) => {}
            Event::ShimLeft(place) => {
                if let Some(at) = self.shims.iter().position(|(of, _)| *of == place) {
                    self.shims.remove(at).1.end(Signal::SIGTERM)?;
                }
            }
            Event::DaemonKilled => {
                let worker = self.daemon.worker_pid()?;
                self.daemon.signal(Signal::SIGKILL)?;
                // As an init system does, wait for all of it.
                let daemon = &mut self.daemon;
                wait::until("the daemon has ended", LIMIT, || {
                    Ok(daemon.check_running().is_err() && !proc::is_alive(worker))
                })?;
                daemon.start_again()?;
                self.may_await = Some(Instant::now() + AWAITED);
            }
            Event::DaemonStopped => {
                self.daemon.stop()?;
                self.daemon.start_again()?;
                self.may_await = Some(Instant::now() + AWAITED);
            }
            Event::Pause(milliseconds) => thread::sleep(Duration::from_millis(milliseconds)),
        }
        Ok(())
    }

    /// There may be nothing of that name.
    fn try_ip(&self, place: Place, line: &str) {
        let _ = self.namespace(place).ip(line);
    }

    fn wanted(&self, place: Place) -> Wanted {
        let id = self.ids.get(place).map_or("", String::as_str);
        match place {
            0 => Wanted::for_router(id),
            1 => Wanted::for_network(id),
            _ => Wanted::for_ovn(id),
        }
    }

    /// What there is when nothing has happened for a while.
    pub(crate) fn at_rest(&mut self) -> Result<BTreeMap<String, Space>> {
        let started = Instant::now();
        let mut seen = self.look()?;
        let mut since = Instant::now();
        let awaits = |now| self.may_await.is_some_and(|until| now < until);
        while since.elapsed() < STILL || awaits(Instant::now()) {
            ensure!(started.elapsed() < LIMIT, "it does not come to rest");
            thread::sleep(Duration::from_millis(100));
            let now = self.look()?;
            if now != seen {
                seen = now;
                since = Instant::now();
            }
        }
        self.daemon.check_running()?;
        Ok(seen)
    }

    fn look(&self) -> Result<BTreeMap<String, Space>> {
        let mut states = self.daemon.namespaces()?;
        // Also what has no name any more, which a shim or a mistake keeps.
        let names: BTreeSet<String> = states.keys().cloned().chain(self.names()).collect();
        let look = |name: String| {
            let space = snapshot::of(&Namespace::of_somebody(&name), states.remove(&name))?;
            Ok((name, space))
        };
        names.into_iter().map(look).collect()
    }

    /// Nothing of the daemon's is left when the next one starts; shims stay.
    pub(crate) fn forget_everything(&mut self) -> Result<()> {
        self.may_await = None;
        self.daemon.stop()?;
        process::read(&mut self.daemon.command("unload"))?;
        for name in self.names() {
            let space = snapshot::of(&Namespace::of_somebody(&name), None)?;
            ensure!(space.is_clean(), "after unload: {space:#?}");
        }
        self.daemon.start_again()
    }
}

/// The interface with guests behind it.
pub(crate) fn tenant(place: Place) -> &'static str {
    if place == 0 { "qr-1" } else { "tap1" }
}

fn plug(namespace: &Namespace, name: &str) -> Result<()> {
    namespace.ip(&format!("link add {name} type veth peer name to-{name}"))?;
    namespace.ip(&format!("link set {name} up"))?;
    namespace.ip(&format!("link set to-{name} up"))?;
    Ok(())
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shims.clear();
        for name in self.names() {
            namespace::remove(&name);
        }
    }
}

fn names(ids: &[String; 3]) -> [String; 3] {
    let [router, dhcp, ovn] = ids;
    let [a, b, c] = KINDS;
    [
        format!("{a}-{router}"),
        format!("{b}-{dhcp}"),
        format!("{c}-{ovn}"),
    ]
}
