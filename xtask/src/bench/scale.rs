//! One metadatad for ten routers and for ten thousand, beside haproxy where that is
//! bearable.

mod cable;
mod estate;
mod figures;
mod kernel;
mod newcomer;
mod table;

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::resource::{Resource, getrlimit};

use self::estate::Estate;
pub(super) use self::figures::Scale;
use self::figures::{Figures, Haproxies, Idle, Process};
use self::newcomer::{Newcomer, answers};
use super::statistics::{median, percentile};
use super::usage;
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::haproxy::Haproxy;
use crate::lab::namespace::Namespace;
use crate::lab::router::{PROXY_PORT, Router};
use crate::lab::service_manager::ServiceManager;
use crate::lab::threads::Ran;
use crate::lab::{http, inventory, proc};
use crate::{process, stop};

const NOTES: &[&str] = &[
    "as a service: the sockets are held for the next daemon too, by a third process, and a \
     fourth sees to the worker's end; idle routers with one interface each, and a guest behind each of those that are new",
    "cold start: from the start of the process to an answer in every router",
    "one more: from the name of its namespace to its guest's first answer, 200 times; whatever \
     else keeps a processor for some ms, also a thread of the kernel, is in it",
    "kernel: growth of Slab and Percpu in /proc/meminfo while the daemon started, without names \
     of files that nobody has open; what others on the machine did meanwhile is in it, which is \
     much of it below 1,000 routers",
    "aims at 10,000: cold start 5 s, one more 5 ms, 16 KiB a router, no wake-up of ours",
];

/// More haproxies would take 3.5 MiB each.
const MOST_HAPROXIES: usize = 100;
/// Of any process of metadatad's.
const FILES_OF_A_ROUTER: u64 = 2;
const OTHER_FILES: u64 = 100;
const COLD_START_LIMIT: Duration = Duration::from_secs(300);
/// Each comes so often: what was one is forgotten meanwhile. Of fewer arrivals the p99 is
/// the worst of all, which says more of the machine.
const NEWCOMERS: usize = 10;
const ARRIVALS: usize = 20;
const BETWEEN_ARRIVALS: Duration = Duration::from_millis(300);
const IDLE_SECONDS: u64 = 10;
/// After the last change, so that what it leads to is over.
const SETTLE: Duration = Duration::from_secs(3);
const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 169, 254), PROXY_PORT);

/// # Errors
/// When a process may not open enough files, the namespaces or a proxy cannot be made, or a
/// router gets no answer.
pub(super) fn run(binary: &Path, sizes: &[usize]) -> Result<Scale> {
    ensure_files_suffice(sizes.iter().copied().max().unwrap_or_default())?;
    estate::alone(|| {
        let mut scale = Scale {
            notes: NOTES,
            metadatad: Vec::new(),
            haproxy: Vec::new(),
        };
        let mut estate = Estate::new()?;
        for &size in sizes {
            let figures = metadatad(binary, &mut estate, size)?;
            let first = scale.metadatad.first();
            let further = first.map(|first| figures.kib_per_router_beyond(first));
            scale.metadatad.push(Figures {
                kib_per_further_router: further,
                ..figures
            });
            if size <= MOST_HAPROXIES {
                scale.haproxy.push(haproxies(&estate)?);
            }
        }
        Ok(scale)
    })
}

fn ensure_files_suffice(routers: usize) -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let routers_at_most = most.saturating_sub(OTHER_FILES) / FILES_OF_A_ROUTER;
    ensure!(
        u64::try_from(routers)? <= routers_at_most,
        "a process may open {most} files here, which do for {routers_at_most} routers: give \
         --sizes no more, or raise the limit (`ulimit -Hn`)"
    );
    Ok(())
}

fn metadatad(binary: &Path, estate: &mut Estate, routers: usize) -> Result<Figures> {
    eprintln!("      {routers} routers");
    let before = estate.names().len();
    let (made, namespaces_kib) = kernel::growth(|| estate.grow_to(routers))?;
    made?;
    #[allow(clippy::cast_precision_loss, reason = "some thousands")]
    let namespace_kib = namespaces_kib / (routers - before).max(1) as f64;
    let newcomers = (0..NEWCOMERS).map(|_| Newcomer::prepare());
    let newcomers = newcomers.collect::<Result<Vec<_>>>()?;
    let manager = Arc::new(ServiceManager::start()?);
    let setup = Setup::new(binary, &[&estate.glob()], inventory::file(&[])?)?;
    let setup = setup.service_of(&manager);
    let (started, kernel_kib) = kernel::growth(|| cold_start(setup, estate))?;
    let (daemon, cold_start, ran) = started?;
    let pids = processes(&daemon)?;
    let idle = idle(pids)?;
    let [supervisor, worker, holder, warden] = pids.map(process);
    let status_ms = median_ms(|| status(&daemon))?;
    let scrape_ms = median_ms(|| scrape(&daemon))?;
    let mut waits = arrivals(&newcomers, estate)?;
    waits.sort_by(f64::total_cmp);
    Ok(Figures {
        routers,
        namespace_kib,
        cold_start_seconds: cold_start.as_secs_f64(),
        cold_start_cpu_seconds: ran.microseconds / 1e6,
        newcomer_p50_ms: percentile(&waits, 50),
        newcomer_p99_ms: percentile(&waits, 99),
        supervisor: supervisor?,
        worker: worker?,
        holder: holder?,
        warden: warden?,
        kernel_kib,
        kib_per_further_router: None,
        idle,
        status_ms,
        scrape_ms,
    })
}

/// Until every router answers. It is not asked how it is doing meanwhile, which would
/// keep it from its work.
fn cold_start(setup: Setup, estate: &Estate) -> Result<(Daemon, Duration, Ran)> {
    let began = Instant::now();
    let mut daemon = Daemon::launch(setup)?;
    // They are served in the order of their names.
    for name in estate.names().iter().rev() {
        while !is_answered(name)? {
            stop::check()?;
            daemon.check_running()?;
            ensure!(
                began.elapsed() < COLD_START_LIMIT,
                "{name} gives no answer:\n{}",
                daemon.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
        if Some(name) == estate.names().last() {
            eprintln!(
                "      the last router answers after {:.2?}",
                began.elapsed()
            );
        }
    }
    let took = began.elapsed();
    let ran = Ran::of(processes(&daemon)?)?;
    thread::sleep(SETTLE);
    Ok((daemon, took, ran))
}

/// Asks the proxy itself, from within its namespace: no guest is needed for it.
fn is_answered(name: &str) -> Result<bool> {
    let namespace = Namespace::of_somebody(name);
    let connected = namespace.enter(|| TcpStream::connect(PROXY))?;
    Ok(connected.is_ok_and(|stream| answers(stream).is_ok()))
}

fn arrivals(newcomers: &[Newcomer], estate: &Estate) -> Result<Vec<f64>> {
    let waits = newcomers.iter().cycle().take(NEWCOMERS * ARRIVALS);
    let waits = waits.map(|newcomer| {
        let waited = newcomer.time_to_answer(estate)?;
        thread::sleep(BETWEEN_ARRIVALS);
        Ok(waited.as_secs_f64() * 1e3)
    });
    waits.collect()
}

/// Supervisor, worker, the one that holds the sockets for the next, and the one that sees to
/// the worker's end.
fn processes(daemon: &Daemon) -> Result<[u32; 4]> {
    let (supervisor, worker) = (daemon.pid(), daemon.worker_pid()?);
    let holder = proc::holder_of(supervisor)?;
    Ok([supervisor, worker, holder, proc::warden_of(worker)?])
}

fn idle(pids: [u32; 4]) -> Result<Idle> {
    let before = Ran::of(pids)?;
    thread::sleep(Duration::from_secs(IDLE_SECONDS));
    let after = Ran::of(pids)?;
    #[allow(clippy::cast_precision_loss, reason = "some seconds and switches")]
    let a_second = |value: f64| value / IDLE_SECONDS as f64;
    #[allow(clippy::cast_precision_loss, reason = "some seconds and switches")]
    let switches = (after.switches - before.switches) as f64;
    Ok(Idle {
        seconds: IDLE_SECONDS,
        switches_per_second: a_second(switches),
        cpu_us_per_second: a_second(after.microseconds - before.microseconds),
    })
}

fn process(pid: u32) -> Result<Process> {
    let memory = usage::memory_of(pid)?;
    Ok(Process {
        rss_kib: memory.rss_kib,
        private_kib: memory.private_kib,
        open_files: proc::open_files(pid)?,
    })
}

fn status(daemon: &Daemon) -> Result<()> {
    process::run(daemon.command("status").stdout(Stdio::null()))
}

fn scrape(daemon: &Daemon) -> Result<()> {
    let mut stream = std::os::unix::net::UnixStream::connect(daemon.admin_socket())?;
    let response = http::get(&mut stream, "/metrics", "")?;
    ensure!(response.status == 200, "status {}", response.status);
    Ok(())
}

/// Of five.
fn median_ms(work: impl Fn() -> Result<()>) -> Result<f64> {
    let times = (0..5).map(|_| {
        let began = Instant::now();
        work()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    });
    let times = times.collect::<Result<Vec<_>>>()?;
    Ok(median(times.into_iter()))
}

fn haproxies(estate: &Estate) -> Result<Haproxies> {
    let agent = PathBuf::from("/run/nobody-listens-here");
    let routers: Vec<_> = estate
        .names()
        .iter()
        .filter_map(|name| name.strip_prefix("qrouter-"))
        .map(Router::of_somebody)
        .collect();
    eprintln!("      {} haproxies", routers.len());
    let began = Instant::now();
    let running = routers.iter().map(|router| {
        stop::check()?;
        Haproxy::start(router, &agent)
    });
    let running = running.collect::<Result<Vec<_>>>()?;
    let took = began.elapsed();
    let pids: Vec<u32> = running.iter().map(Haproxy::pid).collect();
    let memory = usage::memory(&pids)?;
    #[allow(clippy::cast_precision_loss, reason = "KiB of a hundred processes")]
    let kib_per_router = memory.pss_kib as f64 / routers.len() as f64;
    Ok(Haproxies {
        routers: routers.len(),
        seconds_to_start: took.as_secs_f64(),
        kib_per_router,
        processes: pids.len(),
    })
}
