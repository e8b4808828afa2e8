//! EMFILE: a process may open no file more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use xtask::lab::daemon::Daemon;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::{http, proc};
use xtask::process;

use crate::{DOCUMENT, Estate, guest_of, is_served, service};

/// No file more, until this is dropped.
struct NoMore(u32);

impl NoMore {
    fn files_of(pid: u32) -> Result<Self> {
        limit(pid, "1")?;
        Ok(Self(pid))
    }
}

impl Drop for NoMore {
    fn drop(&mut self) {
        if let Err(error) = limit(self.0, "1024") {
            eprintln!("warning: {error:#}");
        }
    }
}

/// What is open stays open. Limits are set by the process's own user: to set others' takes
/// CAP_SYS_RESOURCE.
fn limit(pid: u32, files: &str) -> Result<()> {
    let id = |field| -> Result<u32> {
        let ids = proc::status(pid, field)?;
        Ok(ids.split_whitespace().next().unwrap_or_default().parse()?)
    };
    let mut command = Command::new("prlimit");
    command.uid(id("Uid")?).gid(id("Gid")?);
    command.args(["--pid", &pid.to_string(), &format!("--nofile={files}:")]);
    process::read(&mut command).map(drop)
}

#[test]
fn a_supervisor_that_can_open_nothing_leaves_those_served_who_are() -> Result<()> {
    let mut estate = Estate::create(|setup| setup)?;
    let worker = estate.site.daemon.worker_pid()?;
    let no_more = NoMore::files_of(estate.site.daemon.pid())?;
    let newcomer = estate.newcomer()?;
    let name = newcomer.router.namespace().name().to_owned();
    let daemon = &estate.site.daemon;
    daemon.wait_log(&["ERROR", &name, "cannot be served", "Too many open files"])?;
    // Operators hear what was known before, and why.
    let last_known = daemon.status()?;
    assert!(last_known["supervisor_silent_for"].is_u64(), "{last_known}");
    daemon.wait_log(&["ERROR", "cannot tell the worker", "open files"])?;
    // What it cannot look at is not gone.
    let served = estate.site.router.namespace();
    served.ip("link add another type veth peer name far")?;
    let name = served.name();
    daemon.wait_log(&["ERROR", name, "cannot be served", "Too many open files"])?;
    estate.is_served()?;
    assert!(proc::is_alive(worker), "the worker was replaced");
    drop(no_more);
    estate.wait_newcomer_served(&newcomer)?;
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn a_worker_that_can_open_nothing_answers_who_is_connected_and_lets_others_wait() -> Result<()> {
    let mut estate = Estate::create(|setup| setup)?;
    let worker = estate.site.daemon.worker_pid()?;
    let guest = guest_of(&estate.site);
    let mut connected = guest.connect()?;
    assert_eq!(http::get(&mut connected, DOCUMENT, "")?.status, 200);
    let no_more = NoMore::files_of(worker)?;
    // It takes neither the new router's socket nor the new inventory.
    let newcomer = estate.newcomer()?;
    let file = estate.site.daemon.inventory_file();
    let renamed = fs::read_to_string(&file)?.replace("\"c1\"", "\"renamed\"");
    fs::write(&file, renamed)?;
    let waiting = std::thread::spawn(move || guest.get(DOCUMENT));
    let daemon = &estate.site.daemon;
    daemon.wait_log(&["ERROR", "cannot serve a socket", "trying again"])?;
    daemon.wait_log(&["WARN", "cannot accept connections", "open files"])?;
    daemon.wait_log(&["inventory read"])?;
    assert_eq!(http::get(&mut connected, DOCUMENT, "")?.status, 200);
    drop(no_more);
    let answered = waiting
        .join()
        .map_err(|_| anyhow::anyhow!("the guest panicked"))?;
    assert_eq!(answered?.status, 200);
    estate.wait_newcomer_served(&newcomer)?;
    let guest = guest_of(&estate.site);
    estate.site.daemon.wait("the new inventory counts", |_| {
        Ok(guest.get(DOCUMENT)?.json()?["name"] == "renamed")
    })?;
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn a_daemon_that_fails_at_its_start_leaves_the_files_of_its_sockets() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_inotify_init1]);
    let (mut site, _manager) = service(|setup| setup.inside(calls.clone()))?;
    let socket = site.daemon.agent_socket();
    let before = fs::metadata(&socket)?.ino();
    site.daemon.stop()?;
    // The second is for the inventory, when all sockets are open.
    let mut made = 0;
    calls.rule(move |_| {
        made += 1;
        (made == 2).then_some(Errno::EMFILE)
    });
    assert!(site.daemon.start_again().is_err());
    // The worker before serves on, also those who come by haproxies.
    is_served(&site)?;
    assert!(UnixStream::connect(&socket).is_ok());
    calls.clear();
    site.daemon.start_again()?;
    assert_eq!(fs::metadata(&socket)?.ino(), before);
    is_served(&site)
}

#[test]
fn a_worker_that_lacks_more_than_fits_into_its_channel_is_not_taken_for_one_that_hangs()
-> Result<()> {
    const INTERFACES: usize = 900;
    let mut estate = Estate::create(|setup| setup)?;
    let worker = estate.site.daemon.worker_pid()?;
    let no_more = NoMore::files_of(worker)?;
    // Over IPv6 each interface has a socket of its own.
    estate.site.router.idle_interfaces(INTERFACES)?;
    let was_told_twice = |daemon: &Daemon| {
        let log = daemon.log();
        Ok(log.matches("cannot serve a socket").count() >= 2 * INTERFACES)
    };
    estate
        .site
        .daemon
        .wait("all was tried again", was_told_twice)?;
    assert!(proc::is_alive(worker), "the worker was replaced");
    drop(no_more);
    let name = estate.site.router.namespace().name().to_owned();
    estate.site.daemon.wait_serving(&name)?;
    estate.is_served()?;
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    Ok(())
}
