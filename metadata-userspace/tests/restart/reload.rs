//! SIGHUP: the daemon takes its own place, with another program and configuration.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::sys::signal::Signal;
use xtask::lab::proc;
use xtask::lab::programs;
use xtask::lab::site::Site;
use xtask::lab::unique;
use xtask::lab::wait;

use crate::fake::{Fake, answer};
use crate::load::during;
use crate::{DOCUMENT, LIMIT, METADATAD, Served, configure, guest_of, has_ended, wait_ended};

const RELOADS: usize = 10;

/// `systemctl reload`; returns once another worker serves, and the pid of the one before.
pub(crate) fn reload(site: &mut Site) -> Result<u32> {
    let before = site.daemon.worker_pid()?;
    site.daemon.signal(Signal::SIGHUP)?;
    site.daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != before))
    })?;
    Ok(before)
}

fn program_of(pid: u32) -> Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/exe"))?.ino())
}

#[test]
fn no_request_fails_in_ten_reloads() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let (guest, pid) = (guest_of(&site), site.daemon.pid());
    let tally = during(&guest, || {
        for _ in 0..RELOADS {
            let before = reload(&mut site)?;
            wait::until("an earlier worker is reaped", LIMIT, || {
                Ok(proc::status(before, "State").is_err())
            })?;
        }
        Ok(())
    })?;
    tally.assert_served("reloads");
    assert!(tally.answered > RELOADS * 10, "{tally:?}");
    assert_eq!(site.daemon.pid(), pid);
    site.daemon.check_running()
}

#[test]
fn reloads_that_follow_each_other_end_in_one() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let (guest, pid) = (guest_of(&site), site.daemon.pid());
    let (worker, before) = (site.daemon.worker_pid()?, proc::children(pid)?);
    let tally = during(&guest, || {
        for _ in 0..20 {
            site.daemon.signal(Signal::SIGHUP)?;
            sleep(Duration::from_millis(30));
        }
        sleep(Duration::from_secs(1));
        site.daemon.check_running()
    })?;
    tally.assert_served("reloads without a pause");
    wait::until("as many processes are left as there were", LIMIT, || {
        let left = proc::children(pid)?;
        Ok(left.len() == before.len() && !left.contains(&worker))
    })?;
    assert!(proc::children(pid)?.contains(&site.daemon.worker_pid()?));
    Ok(())
}

#[test]
fn a_service_says_that_it_reloads() -> Result<()> {
    let mut served = Served::create()?;
    let kept = served.manager.kept();
    served.manager.clear_said();
    let before = reload(&mut served.site)?;
    served.wait_said("READY=1")?;
    let said = served.manager.said().join("\n");
    let (reloading, ready) = (
        said.find("RELOADING=1\nMONOTONIC_USEC="),
        said.find("READY=1"),
    );
    assert!(reloading.is_some() && reloading < ready, "{said}");
    // Whoever does not go on saying that it lives is ended.
    served.manager.clear_said();
    served.wait_said("WATCHDOG=1")?;
    wait_ended(before)?;
    wait::until("the same is kept", LIMIT, || {
        Ok(served.manager.kept() == kept)
    })?;
    // A restart after a reload is as any other.
    let guest = guest_of(&served.site);
    during(&guest, || served.restart())?.assert_served("a restart after a reload");
    Ok(())
}

#[test]
fn the_new_program_and_the_new_configuration_count() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let installed = directory.path().join("metadatad");
    programs::copy(METADATAD, &installed)?;
    let mut site = Site::create(&installed)?;
    let before = program_of(site.daemon.pid())?;
    // As a package manager does.
    let new = directory.path().join("new");
    programs::copy(METADATAD, &new)?;
    fs::rename(&new, &installed)?;
    let address = format!("127.0.0.1:{}", unique::loopback_port()?);
    configure(&site, "metrics_listen", &address)?;
    reload(&mut site)?;
    let after = program_of(site.daemon.pid())?;
    assert_ne!(after, before);
    assert_eq!(after, fs::metadata(&installed)?.ino());
    assert_eq!(program_of(site.daemon.worker_pid()?)?, after);
    assert!(TcpStream::connect(address).is_ok());
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn with_a_faulty_configuration_everything_goes_on() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let worker = site.daemon.worker_pid()?;
    let config = fs::read_to_string(site.daemon.config_file())?;
    configure(&site, "resolver", "nobody")?;
    site.daemon.signal(Signal::SIGHUP)?;
    site.daemon
        .wait_log(&["ERROR", "not reloaded", "resolver", "nobody"])?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    // Once it is repaired, it counts.
    fs::write(site.daemon.config_file(), config)?;
    assert_eq!(site.daemon.worker_pid()?, worker);
    reload(&mut site).map(drop)
}

#[test]
fn without_a_program_everything_goes_on() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let installed = directory.path().join("metadatad");
    programs::copy(METADATAD, &installed)?;
    let mut site = Site::create(&installed)?;
    let worker = site.daemon.worker_pid()?;
    let away = directory.path().join("away");
    fs::rename(&installed, &away)?;
    site.daemon.signal(Signal::SIGHUP)?;
    site.daemon
        .wait_log(&["ERROR", "not reloaded", "cannot execute"])?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    fs::rename(&away, &installed)?;
    assert_eq!(site.daemon.worker_pid()?, worker);
    reload(&mut site).map(drop)
}

#[test]
fn a_request_under_way_ends_in_the_old_worker() -> Result<()> {
    const SLOW: Duration = Duration::from_secs(3);
    let port = unique::loopback_port()?;
    let nova = Fake::start(port, &answer("200 OK", "slowly"), SLOW)?;
    let mut site = Site::with(METADATAD, |_| {}, |setup| setup.nova_port(port))?;
    let guest = guest_of(&site);
    let start = Instant::now();
    thread::scope(|scope| {
        let request = scope.spawn(|| guest.get(DOCUMENT));
        wait::until("Nova is asked", LIMIT, || Ok(nova.requests() == 1))?;
        let before = reload(&mut site)?;
        // On a slow machine the request may be over.
        let waits = !has_ended(before) || start.elapsed() >= SLOW;
        assert!(waits, "it did not wait for its request");
        let response = request
            .join()
            .map_err(|_| anyhow!("the guest panicked"))??;
        assert_eq!(response.text(), "slowly");
        wait_ended(before)
    })
}
