//! A worker that does not leave when it is told to, because a guest has taken it over or it
//! hangs: it is ended. One that is stopped hears nothing and does nothing, too.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::http;
use xtask::lab::site::Site;
use xtask::lab::unique;
use xtask::lab::wait;

use crate::sabotage::{listeners_of, spoil};
use crate::{DOCUMENT, METADATAD, Served, has_ended};

/// It has 10 s to leave.
const LIMIT: Duration = Duration::from_secs(30);

/// Returns the number of the site's worker, which is stopped.
fn stop_worker(site: &Site) -> Result<u32> {
    let worker = site.daemon.worker_pid()?;
    send(worker, Signal::SIGSTOP)?;
    Ok(worker)
}

fn wait_ended(site: &Site, worker: u32) -> Result<()> {
    wait::until("the worker is ended", LIMIT, || Ok(has_ended(worker)))?;
    let pid = format!("pid={worker} ");
    let line = ["WARN", "did not leave in time; ending it", &pid];
    site.daemon.wait_log(&line).map(drop)
}

fn wait_answered(site: &Site) -> Result<()> {
    wait::until("guests are answered", LIMIT, || {
        let answers = [site.guest.get(DOCUMENT), site.guest.get_ipv6(DOCUMENT)];
        Ok(answers
            .into_iter()
            .all(|answer| answer.is_ok_and(|answer| answer.status == 200)))
    })
}

#[test]
fn after_a_reload_its_end_ends_what_it_did_to_sockets() -> Result<()> {
    let metrics = (Ipv4Addr::LOCALHOST, unique::loopback_port()?);
    let address = format!("{}:{}", metrics.0, metrics.1);
    let mut served = Served::with(|setup| setup.option("metrics_listen", &address))?;
    let (kept, held) = (served.manager.kept(), served.wait_held()?);
    let listeners = listeners_of(served.site.daemon.worker_pid()?)?;
    let worker = stop_worker(&served.site)?;
    served.manager.clear_said();
    served.site.daemon.signal(Signal::SIGHUP)?;
    served.wait_said("READY=1")?;
    listeners.iter().try_for_each(spoil)?;
    drop(listeners);
    assert!(TcpStream::connect(metrics).is_err());
    assert!(served.site.guest.get(DOCUMENT).is_err());
    wait::until("nobody keeps what has ended", LIMIT, || {
        let left = served.manager.kept();
        let has_ended = |name: &str| !left.contains(&name.to_owned());
        Ok(has_ended("metrics") && has_ended("api") && served.holder.sockets()? == held - 2)
    })?;
    wait_ended(&served.site, worker)?;
    let line = ["ERROR", "a worker had ended a socket; it listens again"];
    served.site.daemon.wait_log(&line)?;
    wait_answered(&served.site)?;
    assert!(TcpStream::connect(metrics).is_ok());
    wait::until("the same is kept", LIMIT, || {
        Ok(served.manager.kept() == kept && served.holder.sockets()? == held)
    })?;
    // The next worker had these sockets when they were ended, and is another now.
    assert_eq!(served.site.daemon.status()?["worker"]["restarts"], 1);
    served.site.daemon.check_running()
}

#[test]
fn it_is_ended_after_a_restart() -> Result<()> {
    let mut served = Served::create()?;
    let worker = stop_worker(&served.site)?;
    served.restart()?;
    wait_ended(&served.site, worker)?;
    wait_answered(&served.site)?;
    assert_eq!(served.site.daemon.status()?["worker"]["restarts"], 0);
    Ok(())
}

#[test]
fn it_is_ended_by_whoever_comes_after_daemons_that_were_killed() -> Result<()> {
    let mut served = Served::create()?;
    let worker = stop_worker(&served.site)?;
    served.site.daemon.kill()?;
    served.start_again()?;
    // It was told to leave already.
    served.site.daemon.kill()?;
    served.start_again()?;
    wait_ended(&served.site, worker)?;
    wait_answered(&served.site)
}

#[test]
fn it_is_ended_when_the_service_is_stopped() -> Result<()> {
    let mut served = Served::create()?;
    let worker = stop_worker(&served.site)?;
    served.site.daemon.stop()?;
    served.manager.release();
    wait_ended(&served.site, worker)
}

#[test]
fn it_is_ended_where_nobody_keeps_sockets() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let worker = stop_worker(&site)?;
    site.daemon.kill()?;
    site.daemon.launch_again()?;
    wait_ended(&site, worker)?;
    wait_answered(&site)
}

#[test]
fn one_that_leaves_may_first_finish_what_takes_long() -> Result<()> {
    let mut served = Served::create()?;
    let mut slow = served.site.guest.connect()?;
    let request = format!("GET {DOCUMENT} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
    let (begun, rest) = request.split_at(request.len() / 2);
    slow.write_all(begun.as_bytes())?;
    assert_eq!(served.site.guest.get(DOCUMENT)?.status, 200);
    served.restart()?;
    sleep(Duration::from_secs(7));
    slow.write_all(rest.as_bytes())?;
    let answer = http::read_response(&mut slow)?;
    assert_eq!(answer.json()?["uuid"], served.site.instance.uuid);
    Ok(())
}
