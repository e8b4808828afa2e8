//! Processes that live and do nothing.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::daemon;
use xtask::lab::service_manager::ServiceManager;
use xtask::lab::threads::Ran;
use xtask::lab::{http, wait};

use crate::{DOCUMENT, Estate, LIMIT, Stopped, guest_of};

/// In which a worker to which somebody comes is asked twice whether it is alive.
const TWO_QUESTIONS: Duration = Duration::from_secs(11);
/// `WatchdogSec=`, which the unit has longer.
const WATCHDOG: Duration = Duration::from_secs(1);
/// A metric, in seconds.
const HOST_STATE_AGE: &str = "metadatad_host_state_age_seconds";

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
    wait::until("another worker serves", LIMIT, || {
        let serving = estate.site.daemon.worker_pid();
        Ok(serving.is_ok_and(|pid| pid != worker))
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
    let mut missed = Missed::create()?;
    let estate = &missed.estate;
    let worker = estate.site.daemon.worker_pid()?;
    let mut connected = estate.site.guest.connect()?;
    let stopped = Stopped::stop(estate.site.daemon.pid())?;
    let newcomer = estate.newcomer()?;
    assert_eq!(http::get(&mut connected, DOCUMENT, "")?.status, 200);
    estate.is_served()?;
    let last_known = estate.site.daemon.status()?;
    let since = last_known["supervisor_silent_for"].as_u64();
    assert!(since.is_some_and(|seconds| seconds >= 5), "{last_known}");
    let served = estate.site.router.namespace().name();
    assert!(daemon::serves(&last_known, served), "{last_known}");
    assert!(estate.site.daemon.metric::<f64>(HOST_STATE_AGE)? >= 5.0);
    drop(stopped);
    missed.estate.wait_newcomer_served(&newcomer)?;
    let daemon = &missed.estate.site.daemon;
    wait::until("the supervisor is heard again", LIMIT, || {
        let is_heard = daemon.status()?["supervisor_silent_for"].is_null();
        Ok(is_heard && daemon.metric::<f64>(HOST_STATE_AGE)? < 5.0)
    })?;
    missed.wait_said_that_it_lives()?;
    assert_eq!(missed.estate.site.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn a_supervisor_that_hangs_is_missed_and_the_next_does_what_it_did_not() -> Result<()> {
    let mut missed = Missed::create()?;
    missed.wait_said_that_it_lives()?;
    let stopped = Stopped::stop(missed.estate.site.daemon.pid())?;
    let newcomer = missed.estate.newcomer()?;
    // What it said before is read by then.
    sleep(WATCHDOG);
    missed.manager.clear_said();
    sleep(WATCHDOG * 2);
    assert_eq!(missed.manager.said(), [""; 0]);
    missed.estate.is_served()?;
    // systemd's part.
    missed.estate.site.daemon.kill()?;
    missed.estate.site.daemon.start_again()?;
    drop(stopped);
    missed.estate.is_served()?;
    missed.estate.wait_newcomer_served(&newcomer)?;
    missed.wait_said_that_it_lives()
}

/// A daemon of whose life its manager wants to hear.
struct Missed {
    estate: Estate,
    manager: Arc<ServiceManager>,
}

impl Missed {
    fn create() -> Result<Self> {
        let manager = Arc::new(ServiceManager::with_watchdog(WATCHDOG)?);
        let estate = Estate::create(|setup| setup.service_of(&manager))?;
        Ok(Self { estate, manager })
    }

    fn wait_said_that_it_lives(&self) -> Result<()> {
        self.manager.clear_said();
        wait::until("it says that it lives", LIMIT, || {
            Ok(self.manager.was_told("WATCHDOG=1"))
        })
    }
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
