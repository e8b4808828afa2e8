//! Daemons that die one after the other, each before it has relieved those before it.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::router::Router;
use xtask::lab::wait;

use crate::load::during;
use crate::{LIMIT, Served, guest_of, has_ended, wait_ended};

/// More than the service manager keeps descriptors.
const CRASHES: usize = 40;

#[test]
fn no_request_fails_in_a_long_row_of_crashes() -> Result<()> {
    let gone = Router::create()?;
    let name = gone.namespace().name().to_owned();
    let mut served = Served::with(|mut setup| {
        setup.namespaces.push(name);
        setup
    })?;
    let kept = served.manager.kept();
    // Its sockets are left, and wait for a shim: so long no daemon relieves another.
    served.site.daemon.stop()?;
    drop(gone);
    served.site.daemon.start_again()?;
    let guest = guest_of(&served.site);
    let mut workers = Vec::new();
    let tally = during(&guest, || {
        for _ in 0..CRASHES {
            workers.push(served.site.daemon.worker_pid()?);
            served.site.daemon.kill()?;
            served.site.daemon.start_again()?;
        }
        Ok(())
    })?;
    tally.assert_served("crashes in a row");
    assert!(tally.answered > CRASHES, "{tally:?}");
    // The oldest waits until the sockets are given up, after 10 s.
    wait::until("the earlier workers end", 2 * LIMIT, || {
        Ok(workers.iter().all(|worker| has_ended(*worker)))
    })?;
    wait::until("the same is kept as at first", LIMIT, || {
        Ok(served.manager.kept() == kept)
    })?;
    during(&guest, || served.restart())?.assert_served("a restart");
    Ok(())
}

#[test]
fn what_the_manager_had_no_room_for_is_left_later() -> Result<()> {
    let mut served = Served::create()?;
    served.site.daemon.stop()?;
    served.manager.refuse(Some("succession"));
    served.site.daemon.start_again()?;
    let is_kept = || served.manager.kept().contains(&"succession".to_owned());
    wait::until("the worker before has left", LIMIT, || Ok(!is_kept()))?;
    served.manager.refuse(None);
    // It is offered again after 5, 10 and 20 s.
    wait::until("the will is kept", 3 * LIMIT, || Ok(is_kept()))?;
    let worker = served.site.daemon.worker_pid()?;
    let guest = guest_of(&served.site);
    let tally = during(&guest, || {
        served.site.daemon.kill()?;
        std::thread::sleep(Duration::from_millis(300));
        served.start_again()?;
        wait_ended(worker)
    })?;
    tally.assert_served("the crash of who had no room");
    Ok(())
}
