//! Nobody notices when metadatad takes over from a haproxy that serves, nor when it
//! gives everything back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use xtask::lab::client::Client;
use xtask::lab::daemon::Daemon;
use xtask::lab::guest::Guest;
use xtask::lab::wait;

use crate::DOCUMENT;
use crate::identity_header::StandIn;
use crate::place::{Ground, Home, Kind};

crate::in_each_kind!(no_request_fails_while_the_proxy_changes);

/// Together 200 requests a second.
const CLIENTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
const PHASE: Duration = Duration::from_secs(2);
/// Requests in a phase, which a busy machine prolongs for as long.
const ENOUGH: usize = 100;
const LIMIT: Duration = Duration::from_secs(30);

fn no_request_fails_while_the_proxy_changes(kind: Kind) -> Result<()> {
    let ground = Ground::create(kind)?;
    // In the place of Neutron's agent, so that haproxy has answers.
    let agent = StandIn::start()?;
    if let Home::Router(router) = &ground.home {
        router.add_neutron_rules()?;
    }
    let _haproxy = ground.home.haproxy(&agent.socket)?;
    let load = Load::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (guest, load) = (&ground.guest, &load);
                scope.spawn(move || load.run(guest, number % 2 == 0))
            })
            .collect();
        let changes = change_over(&ground, &agent);
        load.stop.store(true, Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        changes
    })?;
    let (answered, late) = (load.answered.load(Relaxed), load.slowest_ms.load(Relaxed));
    println!("{kind:?}: {answered} answered, none failed, the slowest after {late} ms");
    Ok(())
}

fn change_over(ground: &Ground, agent: &StandIn) -> Result<()> {
    thread::sleep(PHASE);
    let mut daemon = Daemon::start(ground.setup()?)?;
    daemon.wait_serving(ground.home.name())?;
    thread::sleep(PHASE);
    for _ in 0..2 {
        let before = requests(&daemon)?;
        thread::sleep(PHASE);
        daemon.wait("metadatad is asked", |daemon| {
            Ok(requests(daemon)? > before + ENOUGH)
        })?;

        ensure!(daemon.stop()?.success(), "the daemon failed");
        xtask::process::read(&mut daemon.command("unload"))?;
        agent.asked();
        thread::sleep(PHASE);
        let mut asked = 0;
        wait::until("haproxy is asked", LIMIT, || {
            asked += agent.asked();
            Ok(asked > ENOUGH)
        })?;
        daemon.start_again()?;
        daemon.wait_serving(ground.home.name())?;
    }
    Ok(())
}

fn requests(daemon: &Daemon) -> Result<usize> {
    let count = daemon.status()?["requests"]["200"].as_u64();
    Ok(count.unwrap_or(0).try_into()?)
}

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicU64,
    slowest_ms: AtomicU64,
}

impl Load {
    fn run(&self, guest: &Guest, keep_alive: bool) -> Result<()> {
        let mut client = Client::default();
        while !self.stop.load(Relaxed) {
            let started = Instant::now();
            client.get(DOCUMENT, || guest.connect())?;
            if !keep_alive {
                client.close();
            }
            let took = u64::try_from(started.elapsed().as_millis())?;
            self.slowest_ms.fetch_max(took, Relaxed);
            self.answered.fetch_add(1, Relaxed);
            thread::sleep(PAUSE.saturating_sub(started.elapsed()));
        }
        Ok(())
    }
}
