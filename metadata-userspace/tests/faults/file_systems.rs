//! Full and read-only file systems.

use std::io::Write;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, Setup, send};
use xtask::lab::guest::Guest;
use xtask::lab::http;
use xtask::lab::mounts::SmallFileSystem;
use xtask::lab::site::Site;

use crate::{DOCUMENT, Estate, METADATAD, guest_of, is_served, service};

#[test]
fn on_a_read_only_run_a_start_says_where_it_could_not_listen() -> Result<()> {
    let run = SmallFileSystem::mount(1024)?;
    run.be_read_only(true)?;
    let setup = Setup::new(METADATAD, &["qrouter-of-nobody"], String::new())?;
    let failed = Daemon::start(setup.sockets_in(run.path())).err();
    let failure = failed.map(|error| format!("{error:#}")).unwrap_or_default();
    let socket = run.path().join("admin.sock");
    let said = format!(
        "cannot listen on {}: Read-only file system",
        socket.display()
    );
    assert!(failure.contains(&said), "{failure}");
    Ok(())
}

#[test]
fn a_run_that_becomes_read_only_hinders_neither_restarts_nor_reloads() -> Result<()> {
    let run = SmallFileSystem::mount(1024)?;
    let (mut site, _manager) = service(|setup| setup.sockets_in(run.path()))?;
    run.be_read_only(true)?;
    site.daemon.stop()?;
    is_served(&site)?;
    site.daemon.start_again()?;
    is_served(&site)?;
    let worker = site.daemon.worker_pid()?;
    site.daemon.signal(Signal::SIGHUP)?;
    site.daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != worker))
    })?;
    is_served(&site)?;
    run.be_read_only(false)
}

#[test]
fn a_log_that_cannot_be_written_hinders_nobody() -> Result<()> {
    let disk = SmallFileSystem::mount(512)?;
    let mut estate = Estate::create(|mut setup| {
        setup.parent = disk.path().to_owned();
        setup
    })?;
    disk.fill()?;
    estate.is_served()?;
    // Both processes have something to say now.
    let newcomer = estate.newcomer()?;
    estate.wait_newcomer_served(&newcomer)?;
    let worker = estate.site.daemon.worker_pid()?;
    send(worker, Signal::SIGKILL)?;
    estate.is_served()?;
    disk.empty()?;
    estate.site.daemon.clear_log()?;
    estate.is_served()?;
    estate.site.daemon.wait_log(&["access", DOCUMENT])?;
    Ok(())
}

fn post_password(guest: &Guest) -> Result<u16> {
    let mut stream = guest.connect()?;
    stream.write_all(
        b"POST /openstack/latest/password HTTP/1.1\r\nHost: 169.254.169.254\r\n\
          Content-Length: 6\r\n\r\nsecret",
    )?;
    Ok(http::read_response(&mut stream)?.status)
}

#[test]
fn a_password_for_which_there_is_no_room_can_be_posted_later() -> Result<()> {
    let disk = SmallFileSystem::mount(64)?;
    let directory = disk.path().join("passwords");
    let option = |setup: Setup| setup.option("password_dir", &directory.to_string_lossy());
    let site = Site::with(METADATAD, |_| {}, option)?;
    let guest = guest_of(&site);
    disk.fill()?;
    assert_eq!(post_password(&guest)?, 503);
    site.daemon
        .wait_log(&["ERROR", "password", "No space left on device"])?;
    is_served(&site)?;
    disk.empty()?;
    assert_eq!(post_password(&guest)?, 200);
    assert_eq!(guest.get("/openstack/latest/password")?.text(), "secret");
    Ok(())
}
