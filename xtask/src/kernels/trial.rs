//! What is tried on a kernel: a guest behind a router, and the real daemon.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use nix::sys::utsname::uname;
use serde_json::Value;

use super::initramfs::METADATAD;
use super::inside::Reporter;
use super::report::Step;
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::{Guest, METADATA};
use crate::lab::http::Response;
use crate::lab::inventory::{self, Instance};
use crate::lab::router::{Router, Subnet, VIP};
use crate::lab::shim::{Shim, Wanted, private_memory};
use crate::lab::wait;
use crate::process;

const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const PINS: &str = "/sys/fs/bpf/metadatad";

/// Every program that must be there while the daemon serves.
const PROGRAMS: &[&str] = &["metadata_steer", "metadata_restore", "metadata_guard"];

/// Connections that a guest may open at once while the guard is tried.
const BURST: usize = 5;
/// How long it waits for one.
const PATIENCE: Duration = Duration::from_millis(300);

/// The kernel takes a program away a moment after its last user has gone.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

struct Site {
    router: Router,
    guest: Guest,
    instance: Instance,
}

/// Goes as far as it can.
pub(super) fn run(reporter: &mut Reporter) {
    let Some(site) = reporter.step(Step::Boot, Site::make) else {
        return;
    };
    let Some(mut daemon) = reporter.step(Step::Load, || site.start(|setup| setup)) else {
        return;
    };
    reporter.step(Step::Attach, || site.attached(&mut daemon));
    reporter.step(Step::Ipv4, || site.is_own(&site.guest.get(DOCUMENT)?));
    reporter.step(Step::Ipv6, || site.is_own(&site.guest.get_ipv6(DOCUMENT)?));
    reporter.step(Step::Mac, || site.are_known(&daemon));
    reporter.step(Step::Status, || show_status(&daemon));
    reporter.step(Step::Unload, || site.unload(&mut daemon));
    println!("--- log of metadatad:\n{}", daemon.log());
    drop(daemon);
    reporter.step(Step::Shim, || site.is_kept_by_shim());
    reporter.step(Step::Log, || site.log_verdicts());
    reporter.step(Step::Guard, || site.is_guarded());
}

impl Site {
    fn make() -> Result<Self> {
        println!("{}", uname()?.release().to_string_lossy());
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let instance = Instance::of(&guest, &router, "guest")?;
        Ok(Self {
            router,
            guest,
            instance,
        })
    }

    fn start(&self, configure: impl FnOnce(Setup) -> Setup) -> Result<Daemon> {
        let inventory = inventory::file(std::slice::from_ref(&self.instance))?;
        let binary = Path::new("/").join(METADATAD);
        let mut setup = Setup::new(binary, &[self.namespace()], inventory)?;
        setup.bpffs = PINS.into();
        let daemon = Daemon::start(configure(setup))?;
        let loaded = process::read(Command::new("bpftool").args(["prog", "show"]))?;
        println!("{loaded}");
        for program in PROGRAMS {
            ensure!(loaded.contains(program), "{program} is not loaded");
        }
        Ok(daemon)
    }

    fn attached(&self, daemon: &mut Daemon) -> Result<()> {
        daemon.wait_serving(self.namespace())?;
        println!("{}", self.router.namespace().sh("bpftool net")?);
        for (direction, program) in [
            ("ingress", "metadata_steer"),
            ("egress", "metadata_restore"),
        ] {
            let filters = self.filters(direction)?;
            println!("{filters}");
            ensure!(filters.contains(program), "no {program} at {direction}");
        }
        Ok(())
    }

    fn is_own(&self, response: &Response) -> Result<()> {
        let document = response.json()?;
        println!("{document}");
        ensure!(
            document.get("uuid").and_then(Value::as_str) == Some(&self.instance.uuid),
            "not the guest's document: {document}"
        );
        Ok(())
    }

    fn are_known(&self, daemon: &Daemon) -> Result<()> {
        let mac = format!("mac={}", self.guest.mac);
        for client in [&format!("client={}", self.guest.address), "client=fe80::"] {
            daemon.wait_log(&["access", "status=200", client, &mac])?;
        }
        Ok(())
    }

    /// The daemon watches nothing: only the shim makes it serve.
    fn is_kept_by_shim(&self) -> Result<()> {
        let mut daemon = self.start(|mut setup| {
            setup.namespaces = vec!["none".to_owned()];
            setup
        })?;
        let wanted = Wanted::for_router(self.router.id());
        let shim = Shim::start(&daemon, self.router.namespace(), &wanted)?;
        daemon.wait_serving(self.namespace())?;
        self.is_own(&self.guest.get(DOCUMENT)?)?;
        println!("its memory: {} KiB", private_memory(shim.pid())?);
        shim.end(Signal::SIGTERM)?;
        wait::until("the namespace is let go", REMOVAL_LIMIT, || {
            Ok(self.filters("ingress")?.is_empty())
        })?;
        self.unload(&mut daemon)
    }

    /// The log is not compiled in unless somebody wants it.
    fn log_verdicts(&self) -> Result<()> {
        let mut daemon = self.start(|setup| setup.option("datapath_log", "true"))?;
        daemon.wait_serving(self.namespace())?;
        self.is_own(&self.guest.get(DOCUMENT)?)?;
        let line = daemon.wait_log(&["verdict", "steered", VIP])?;
        println!("{line}");
        self.unload(&mut daemon)
    }

    /// The first SYN beyond the budget is dropped by XDP already.
    fn is_guarded(&self) -> Result<()> {
        let mut daemon = self.start(|setup| {
            setup
                .option("xdp_guard", "qr-*")
                .option("connection_rate_per_guest", "1")
                .option("connection_burst_per_guest", &BURST.to_string())
        })?;
        daemon.wait_serving(self.namespace())?;
        let shown = self.router.namespace().sh("bpftool net")?;
        println!("{shown}");
        ensure!(shown.contains("driver id"), "no driver runs the guard");
        self.is_own(&self.guest.get(DOCUMENT)?)?;
        let connects = || self.guest.connect_within(METADATA.into(), PATIENCE).is_ok();
        let connected = (0..3 * BURST).filter(|_| connects()).count();
        println!("{connected} of {} connections", 3 * BURST);
        ensure!(connected < 3 * BURST, "nothing was dropped");
        let dropped = daemon.status()?;
        let dropped = dropped.pointer("/verdicts/surplus_dropped_early/packets");
        let dropped = dropped.and_then(Value::as_u64).unwrap_or_default();
        ensure!(dropped > 0, "nothing was dropped by XDP");
        self.unload(&mut daemon)
    }

    fn unload(&self, daemon: &mut Daemon) -> Result<()> {
        daemon.stop()?;
        println!("{}", process::read(&mut daemon.command("unload"))?);
        for direction in ["ingress", "egress"] {
            let filters = self.filters(direction)?;
            ensure!(filters.is_empty(), "left at {direction}: {filters}");
        }
        let routes = self.router.namespace().ip("route show table local")?;
        ensure!(!routes.contains(VIP), "left behind: {routes}");
        ensure!(!Path::new(PINS).exists(), "{PINS} is left behind");
        wait::until("the programs are gone", REMOVAL_LIMIT, || {
            let loaded = process::read(Command::new("bpftool").args(["prog", "show"]))?;
            Ok(!loaded.contains("metadata_"))
        })
    }

    fn filters(&self, direction: &str) -> Result<String> {
        let interface = &self.guest.router_interface;
        let namespace = self.router.namespace();
        namespace.sh(&format!("tc filter show dev {interface} {direction}"))
    }

    fn namespace(&self) -> &str {
        self.router.namespace().name()
    }
}

fn show_status(daemon: &Daemon) -> Result<()> {
    let status = process::read(&mut daemon.command("status"))?;
    println!("{status}");
    let status = daemon.status()?;
    let worker = status.pointer("/worker/pid");
    worker.context("the status names no worker")?;
    let filtered = status.pointer("/sandbox/seccomp").and_then(Value::as_bool);
    ensure!(filtered == Some(true), "the worker has no sandbox");
    Ok(())
}
