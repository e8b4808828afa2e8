//! The worker holds no privilege, and may die at any moment.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::guest::Guest;
use xtask::lab::site::Site;
use xtask::lab::{http, proc};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

#[test]
fn the_worker_is_nobody_and_can_never_be_more() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let worker = site.daemon.worker_pid()?;
    assert_ne!(worker, site.daemon.pid());
    let nobody = "65534\t65534\t65534\t65534";
    assert_eq!(proc::status(worker, "Uid")?, nobody);
    assert_eq!(proc::status(worker, "Gid")?, nobody);
    assert_eq!(proc::status(worker, "Groups")?, "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let capabilities = proc::status(worker, set)?;
        assert_eq!(u64::from_str_radix(&capabilities, 16)?, 0, "{set}");
    }
    assert_eq!(proc::status(worker, "NoNewPrivs")?, "1");
    Ok(())
}

#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    /// The worker died with these requests in its hands.
    cut_off: usize,
}

/// A connection per request until `done`; a refused connection is an error.
fn ask_until(done: &AtomicBool, guest: &Guest, uuid: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    while !done.load(Ordering::Relaxed) {
        let mut stream = guest.connect()?;
        match http::get(&mut stream, DOCUMENT, "") {
            Ok(response) => {
                assert_eq!(response.status, 200, "{}", response.text());
                assert_eq!(response.json()?["uuid"], uuid);
                tally.answered += 1;
            }
            Err(_) => tally.cut_off += 1,
        }
    }
    Ok(tally)
}

#[test]
fn killing_the_worker_under_load_refuses_no_connection() -> Result<()> {
    const CLIENTS: usize = 4;
    const KILLS: usize = 3;
    let mut site = Site::create(METADATAD)?;
    let done = AtomicBool::new(false);
    let (guest, uuid, daemon) = (&site.guest, &site.instance.uuid, &mut site.daemon);
    let tallies = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| ask_until(&done, guest, uuid)))
            .collect();
        let kills = (0..KILLS).try_for_each(|_| {
            sleep(Duration::from_millis(300));
            let worker = daemon.worker_pid()?;
            send(worker, Signal::SIGKILL)?;
            daemon.wait("another worker serves", |daemon| {
                Ok(daemon.worker_pid().is_ok_and(|pid| pid != worker))
            })
        });
        sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        let tallies: Result<Vec<Tally>> = clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
            .collect();
        kills.and(tallies)
    })?;
    for tally in tallies {
        assert!(tally.answered > KILLS, "{tally:?}");
        assert!(tally.cut_off <= KILLS, "{tally:?}");
    }
    assert_eq!(site.daemon.status()?["worker"]["restarts"], KILLS);
    assert_eq!(
        site.guest.get(DOCUMENT)?.json()?["uuid"],
        *site.instance.uuid
    );
    Ok(())
}

#[test]
fn connections_made_while_there_is_no_worker_are_answered_by_the_next() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let worker = site.daemon.worker_pid()?;
    send(worker, Signal::SIGKILL)?;
    let start = Instant::now();
    for _ in 0..20 {
        let response = site.guest.get(DOCUMENT)?;
        assert_eq!(response.json()?["uuid"], site.instance.uuid);
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

#[test]
fn the_worker_ends_with_its_parent_and_takes_no_request_alone() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let worker = site.daemon.worker_pid()?;
    site.daemon.signal(Signal::SIGKILL)?;
    // The warden gives a worker 12 s.
    xtask::lab::wait::until("the worker is gone", Duration::from_secs(15), || {
        Ok(!proc::is_alive(worker))
    })
}
