//! Processes that live and do nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::threads::Ran;
use xtask::lab::{http, wait};

use crate::{DOCUMENT, Estate, LIMIT, Stopped, guest_of};

/// In which a worker to which somebody comes is asked twice whether it is alive.
const TWO_QUESTIONS: Duration = Duration::from_secs(11);

#[test]
fn a_worker_that_hangs_is_replaced_and_who_waits_is_answered() -> Result<()> {
    let mut estate = Estate::create(|setup| setup)?;
    let worker = estate.site.daemon.worker_pid()?;
    let stopped = Stopped::stop(worker)?;
    // It hangs with this one's connection in its queue. More routers than its channel has
    // room for orders would do the same.
    let guest = guest_of(&estate.site);
    let waiting = std::thread::spawn(move || guest.get(DOCUMENT));
    let newcomer = estate.newcomer()?;
    estate.site.daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != worker))
    })?;
    let answered = waiting.join().map_err(|_| anyhow!("the guest panicked"))?;
    assert_eq!(answered?.status, 200);
    estate.wait_newcomer_served(&newcomer)?;
    let daemon = &estate.site.daemon;
    daemon.wait_log(&["ERROR", "lost touch with the worker", "it hangs"])?;
    assert_eq!(daemon.status()?["worker"]["restarts"], 1);
    drop(stopped);
    Ok(())
}

#[test]
fn a_supervisor_that_hangs_leaves_guests_served_and_does_later_what_it_missed() -> Result<()> {
    let mut estate = Estate::create(|setup| setup)?;
    let worker = estate.site.daemon.worker_pid()?;
    let mut connected = estate.site.guest.connect()?;
    let stopped = Stopped::stop(estate.site.daemon.pid())?;
    let newcomer = estate.newcomer()?;
    assert_eq!(http::get(&mut connected, DOCUMENT, "")?.status, 200);
    estate.is_served()?;
    assert!(estate.site.daemon.status().is_err());
    drop(stopped);
    estate.wait_newcomer_served(&newcomer)?;
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn a_worker_to_which_nobody_comes_is_let_sleep() -> Result<()> {
    let estate = Estate::create(|setup| setup)?;
    estate.is_served()?;
    // The supervisor hears what other tests do with namespaces.
    let worker = [estate.site.daemon.worker_pid()?];
    wait::until("the worker sleeps on", LIMIT * 2, || {
        let before = Ran::of(worker)?;
        sleep(TWO_QUESTIONS);
        Ok(Ran::of(worker)?.switches == before.switches)
    })
}
