//! After kill -9 without a service manager that would keep the sockets: the worker of the
//! daemon that is gone holds them until it has finished.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow};
use xtask::lab::http;
use xtask::lab::site::Site;
use xtask::process;

use crate::taken::value;
use crate::{DOCUMENT, METADATAD, guest_of};

#[test]
fn the_next_daemon_waits_until_the_last_requests_are_answered() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let guest = guest_of(&site);
    let mut slow = guest.connect()?;
    let request = format!("GET {DOCUMENT} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
    let (begun, rest) = request.split_at(request.len() / 2);
    slow.write_all(begun.as_bytes())?;
    // It was accepted, and its worker knows that it has begun.
    assert_eq!(guest.get(DOCUMENT)?.status, 200);
    site.daemon.kill()?;
    site.daemon.launch_again()?;
    site.daemon.wait_log(&["WARN", "waiting for it to leave"])?;
    site.daemon.check_running()?;
    slow.write_all(rest.as_bytes())?;
    let answer = http::read_response(&mut slow)?;
    assert_eq!(answer.json()?["uuid"], site.instance.uuid);
    site.daemon
        .wait("the next one serves", |daemon| Ok(daemon.status().is_ok()))?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(guest.get(DOCUMENT)?.json()?["uuid"], site.instance.uuid);
    Ok(())
}

#[test]
fn a_start_right_after_a_kill_serves() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    for _ in 0..10 {
        site.daemon.kill()?;
        site.daemon.start_again()?;
    }
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(
        site.guest.get(DOCUMENT)?.json()?["uuid"],
        site.instance.uuid
    );
    Ok(())
}

#[test]
fn where_there_is_no_worker_a_program_that_listens_is_not_waited_for() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    site.daemon.stop()?;
    let port = value(&site, "nova_metadata_port")?;
    let _other = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    // Workers of other daemons on this machine are out of sight.
    let mut alone = Command::new("unshare");
    alone.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    let run = site.daemon.command("run");
    alone.arg(run.get_program()).args(run.get_args());
    let ended = process::output(&mut alone)?;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    let why =
        format!("another program already listens at 127.0.0.1:{port} (`ss -tlnp sport = {port}`");
    assert!(said.contains(&why), "{said}");
    assert!(!said.contains("waiting for it to leave"), "{said}");
    Ok(())
}

#[test]
fn a_daemon_that_runs_is_not_waited_for() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let second = thread::scope(|scope| {
        let second = scope.spawn(|| process::output(&mut site.daemon.command("run")));
        second.join().map_err(|_| anyhow!("it panicked"))?
    })?;
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(said.contains("another program already answers"), "{said}");
    assert!(!said.contains("waiting for it to leave"), "{said}");
    Ok(())
}
