//! What many routers cost: memory for each, and the time until all answer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use super::nginx::{self, Upstream};
use super::usage::{self, Memory};
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::{Guest, METADATA};
use crate::lab::haproxy::Haproxy;
use crate::lab::inventory::{self, Instance};
use crate::lab::router::{Router, Subnet};
use crate::lab::{http, unique};
use crate::stop;

const SERVE_LIMIT: Duration = Duration::from_secs(120);

/// What a proxy with one router and with many uses, idle after one request from
/// a guest of each.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Growth {
    pub(super) name: &'static str,
    pub(super) routers: usize,
    pub(super) one: Memory,
    pub(super) all: Memory,
    /// KiB of PSS for each router after the first.
    pub(super) kib_per_further_router: f64,
    /// From the start of the first process to the answer of the last router.
    pub(super) seconds_until_all_answer: f64,
}

/// Every contender's, with what it means.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Growths {
    pub(super) name: &'static str,
    pub(super) notes: &'static [&'static str],
    pub(super) growths: Vec<Growth>,
}

const NOTES: &[&str] = &[
    "idle, after each router answered one guest once; PSS divides shared pages among their users",
    "the time is from the start of the first process to the answer of the last router; one haproxy \
     after the other as an l3-agent starts them, without the agent's own work",
    "aims of metadatad: 64 KiB for each further router, 200 routers within 1 s",
];

/// # Errors
/// When a router or a proxy cannot be made, or a router does not answer.
pub(super) fn run(binary: &Path, routers: usize) -> Result<Growths> {
    let upstream = Upstream::start()?;
    eprintln!("      making {routers} routers with a guest each");
    let town = Town::build(routers)?;
    eprintln!("      metadatad");
    let ours = metadatad(binary, &upstream, &town)?;
    // haproxy is last: its rules stay in the routers.
    eprintln!("      {routers} haproxies");
    town.add_neutron_rules()?;
    Ok(Growths {
        name: "memory",
        notes: NOTES,
        growths: vec![haproxies(&upstream, &town)?, ours],
    })
}

/// Routers with a guest each.
struct Town {
    tag: String,
    lots: Vec<(Guest, Router)>,
}

impl Town {
    fn build(routers: usize) -> Result<Self> {
        let tag = unique::tag()?;
        let lots = (0..routers).map(|_| {
            stop::check()?;
            let rest: String = unique::uuid()?.chars().skip(tag.len()).collect();
            let router = Router::with_id(&format!("{tag}{rest}"))?;
            Ok((Guest::behind(&router, Subnet::TUTORIAL)?, router))
        });
        Ok(Self {
            lots: lots.collect::<Result<_>>()?,
            tag,
        })
    }

    fn first(&self) -> Result<&(Guest, Router)> {
        self.lots.first().context("--routers must be 2 or more")
    }

    fn add_neutron_rules(&self) -> Result<()> {
        self.lots.iter().try_for_each(|(_, router)| {
            stop::check()?;
            router.add_neutron_rules()
        })
    }

    fn inventory(&self) -> Result<String> {
        let instances = self
            .lots
            .iter()
            .map(|(guest, router)| Instance::of(guest, router, "bench"));
        inventory::file(&instances.collect::<Result<Vec<_>>>()?)
    }

    /// Calls `start` while asking for every router, and returns what it made
    /// with the time until the last one answered.
    fn time_to_serve<T>(
        &self,
        lots: &[(Guest, Router)],
        start: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Duration)> {
        let began = Instant::now();
        let failed = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                for (guest, router) in lots {
                    wait_answer(guest, began, &failed)
                        .with_context(|| format!("router {} gives no answer", router.id()))?;
                }
                anyhow::Ok(began.elapsed())
            });
            let started = start().inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            let elapsed = asking.join().map_err(|_| anyhow!("asking panicked"))?;
            Ok((started, elapsed?))
        })
    }
}

fn wait_answer(guest: &Guest, began: Instant, failed: &AtomicBool) -> Result<()> {
    loop {
        stop::check()?;
        let give_up = failed.load(Ordering::Relaxed) || began.elapsed() > SERVE_LIMIT;
        match ask(guest) {
            Ok(()) => return Ok(()),
            Err(error) if give_up => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn ask(guest: &Guest) -> Result<()> {
    // Shorter than the second after which a lost SYN is sent again.
    let limit = Duration::from_millis(200);
    let connect = || std::net::TcpStream::connect_timeout(&METADATA.into(), limit);
    let mut stream = guest.namespace().enter(connect)??;
    http::set_timeouts(&stream, Duration::from_secs(5))?;
    let response = http::get(&mut stream, "/openstack/latest/meta_data.json", "")?;
    ensure!(
        response.status == 200 && response.text() == nginx::answer(),
        "the wrong answer: status {}: {}",
        response.status,
        response.text()
    );
    Ok(())
}

fn metadatad(binary: &Path, upstream: &Upstream, town: &Town) -> Result<Growth> {
    let inventory = town.inventory()?;
    let serve = |namespaces: &str, lots: &[(Guest, Router)]| {
        let setup =
            Setup::new(binary, &[namespaces], inventory.clone())?.nova_port(upstream.nova_port());
        let (daemon, time) = town.time_to_serve(lots, || Daemon::start(setup))?;
        let memory = usage::memory(&[daemon.pid()])?;
        anyhow::Ok((memory, time))
    };
    let first = town.first()?;
    let (one, _) = serve(first.1.namespace().name(), std::slice::from_ref(first))?;
    let (all, time) = serve(&format!("qrouter-{}-*", town.tag), &town.lots)?;
    Ok(Growth::new("metadatad", town, one, all, time))
}

fn haproxies(upstream: &Upstream, town: &Town) -> Result<Growth> {
    let socket = upstream.agent_socket();
    let serve = |lots: &[(Guest, Router)]| {
        let start = || {
            lots.iter()
                .map(|(_, router)| Haproxy::start(router, &socket))
                .collect::<Result<Vec<_>>>()
        };
        let (haproxies, time) = town.time_to_serve(lots, start)?;
        let pids: Vec<u32> = haproxies.iter().map(Haproxy::pid).collect();
        anyhow::Ok((usage::memory(&pids)?, time))
    };
    let (one, _) = serve(std::slice::from_ref(town.first()?))?;
    let (all, time) = serve(&town.lots)?;
    Ok(Growth::new("haproxy", town, one, all, time))
}

impl Growth {
    #[allow(clippy::cast_precision_loss, reason = "KiB of a few processes")]
    fn new(name: &'static str, town: &Town, one: Memory, all: Memory, time: Duration) -> Self {
        let routers = town.lots.len();
        let further = routers.saturating_sub(1) as f64;
        Self {
            name,
            routers,
            one,
            all,
            kib_per_further_router: (all.pss_kib as f64 - one.pss_kib as f64) / further,
            seconds_until_all_answer: time.as_secs_f64(),
        }
    }
}
