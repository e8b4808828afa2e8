//! Clocks that jump.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use xtask::lab::clock::Clock;
use xtask::lab::proc;

use crate::Estate;

const YEAR: i64 = 365 * 86_400;
const HOUR: i64 = 3600;
const EPOCH: i64 = 1970;

#[test]
fn whatever_the_time_of_day_guests_are_served() -> Result<()> {
    let clock = Arc::new(Clock::right()?);
    let mut estate = Estate::create(|setup| setup.inside(clock.clone()))?;
    let worker = estate.site.daemon.worker_pid()?;
    for seconds in [20 * YEAR, -20 * YEAR, -100 * YEAR, 0] {
        clock.set_time_of_day(seconds)?;
        estate.site.daemon.clear_log()?;
        estate.is_served()?;
        // It is the time that the daemon has.
        let line = estate.site.daemon.wait_log(&["access"])?;
        let year: i64 = line.get(..4).context("a short line")?.parse()?;
        // The log has nothing before the epoch.
        let wanted = (this_year()? + seconds / YEAR).max(EPOCH);
        assert!((year - wanted).abs() <= 1, "not {wanted}: {line}");
        assert_eq!(estate.site.daemon.worker_pid()?, worker);
    }
    let newcomer = estate.newcomer()?;
    estate.wait_newcomer_served(&newcomer)
}

/// Or the one beside it: years are a bit longer.
fn this_year() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(EPOCH + i64::try_from(since.as_secs())? / YEAR)
}

/// As a virtual machine's that stood still for an hour: every time-out is over at once.
#[test]
fn a_leap_of_all_deadlines_replaces_no_worker() -> Result<()> {
    let clock = Arc::new(Clock::right()?);
    let mut estate = Estate::create(|setup| setup.inside(clock.clone()))?;
    let worker = estate.site.daemon.worker_pid()?;
    for hours in 1..=3 {
        clock.leap(hours * HOUR)?;
        estate.is_served()?;
        assert!(proc::is_alive(worker));
    }
    let newcomer = estate.newcomer()?;
    estate.wait_newcomer_served(&newcomer)?;
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    Ok(())
}
