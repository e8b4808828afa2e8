//! As a service whose manager keeps descriptors, as systemd does.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::http;
use xtask::lab::name_server::SilentNameServer;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::unique;
use xtask::lab::wait;

use crate::holder::Holder;
use crate::load::during;
use crate::{DOCUMENT, LIMIT, Served, configure, guest_of, has_ended, wait_ended};

const RESTARTS: usize = 10;

#[test]
fn no_request_fails_in_ten_restarts() -> Result<()> {
    let mut served = Served::create()?;
    let guest = guest_of(&served.site);
    let mut workers = Vec::new();
    let tally = during(&guest, || {
        for _ in 0..RESTARTS {
            workers.push(served.site.daemon.worker_pid()?);
            served.restart()?;
            sleep(Duration::from_millis(100));
        }
        Ok(())
    })?;
    tally.assert_served("restarts");
    assert!(tally.answered > RESTARTS * 10, "{tally:?}");
    workers.into_iter().try_for_each(wait_ended)
}

#[test]
fn no_request_fails_when_the_daemon_is_killed() -> Result<()> {
    const KILLS: usize = 5;
    let mut served = Served::create()?;
    let guest = guest_of(&served.site);
    let tally = during(&guest, || {
        for _ in 0..KILLS {
            let worker = served.site.daemon.worker_pid()?;
            served.site.daemon.kill()?;
            // Its worker serves meanwhile.
            sleep(Duration::from_millis(300));
            ensure!(!has_ended(worker), "the worker did not wait for another");
            served.start_again()?;
            wait_ended(worker)?;
        }
        Ok(())
    })?;
    tally.assert_served("kills of the daemon");
    assert!(tally.answered > KILLS * 10, "{tally:?}");
    Ok(())
}

#[test]
fn who_waits_while_nothing_runs_is_answered_by_the_next_daemon() -> Result<()> {
    let mut served = Served::create()?;
    let worker = served.site.daemon.worker_pid()?;
    // Before its supervisor, which would replace it.
    served.site.daemon.signal(Signal::SIGSTOP)?;
    send(worker, Signal::SIGKILL)?;
    served.site.daemon.kill()?;
    let mut waiting = served.site.guest.connect()?;
    let mut waiting_ipv6 = served.site.guest.connect_ipv6()?;
    served.site.daemon.start_again()?;
    for stream in [&mut waiting, &mut waiting_ipv6] {
        let response = xtask::lab::http::get(stream, DOCUMENT, "")?;
        assert_eq!(response.json()?["uuid"], served.site.instance.uuid);
    }
    Ok(())
}

#[test]
fn the_manager_hears_how_it_goes() -> Result<()> {
    let mut served = Served::create()?;
    let said = served.manager.said().join("\n");
    assert!(
        said.contains("READY=1\nSTATUS=Serving 1 namespaces"),
        "{said}"
    );
    let kept = ["admin", "agent", "api", "holder", "shim", "succession"];
    assert_eq!(served.manager.kept(), kept);
    served.manager.clear_said();
    served.site.daemon.stop()?;
    served.site.daemon.start_again()?;
    served.wait_said("READY=1")?;
    let said = served.manager.said().join("\n");
    let (stopping, ready) = (said.find("STOPPING=1"), said.find("READY=1"));
    assert!(stopping.is_some() && stopping < ready, "{said}");
    // What was passed on is not stored again; the will of the first is gone with its
    // worker.
    assert!(!said.contains("FDNAME=holder"), "{said}");
    wait::until("one will is left", LIMIT, || {
        Ok(served.manager.kept() == kept)
    })
}

#[test]
fn a_stop_leaves_nothing_open() -> Result<()> {
    let mut served = Served::create()?;
    let worker = served.site.daemon.worker_pid()?;
    served.site.daemon.stop()?;
    // Until the manager says otherwise, guests are served.
    assert_eq!(served.site.guest.get(DOCUMENT)?.status, 200);
    served.manager.release();
    wait_ended(worker)?;
    let refused = served
        .site
        .guest
        .connect_within(xtask::lab::guest::METADATA.into(), Duration::from_secs(1));
    assert!(refused.is_err());
    Ok(())
}

#[test]
fn sockets_of_an_earlier_configuration_are_closed() -> Result<()> {
    let port = unique::loopback_port()?;
    let address = format!("127.0.0.1:{port}");
    let mut served = Served::with(|setup| setup.option("metrics_listen", &address))?;
    assert!(TcpStream::connect(&address).is_ok());
    let file = || Ok::<_, anyhow::Error>(fs::metadata(served.site.daemon.admin_socket())?.ino());
    let before = file()?;
    configure(&served.site, "metrics_listen", "")?;
    served.restart()?;
    assert!(TcpStream::connect(&address).is_err());
    assert!(!served.manager.kept().contains(&"metrics".to_owned()));
    // What is still wanted is the same, and was never away.
    let after = fs::metadata(served.site.daemon.admin_socket())?.ino();
    assert_eq!(after, before);
    Ok(())
}

#[test]
fn sockets_of_namespaces_that_are_not_wanted_are_closed() -> Result<()> {
    let mut served = Served::create()?;
    configure(&served.site, "namespaces", "qrouter-of-nobody")?;
    served.restart()?;
    let without = || Ok(served.holder.sockets()? == 0);
    // It waits 10 s for shims first.
    wait::until("the guests' sockets are closed", 2 * LIMIT, without)
}

#[test]
fn a_namespace_that_goes_is_not_kept_alive() -> Result<()> {
    let served = Served::create()?;
    served.wait_held()?;
    xtask::lab::namespace::remove(served.site.router.namespace().name());
    let without = || Ok(served.holder.sockets()? == 0);
    wait::until("the guests' sockets are closed", LIMIT, without)
}

impl Served {
    fn await_another_holder(&mut self) -> Result<()> {
        let supervisor = self.site.daemon.pid();
        wait::until("another holds all", LIMIT, || {
            // One that was just made is not yet known by its name.
            let Ok(holder) = Holder::of(supervisor) else {
                return Ok(false);
            };
            self.holder = holder;
            Ok(self.holder.sockets().is_ok_and(|sockets| sockets == 2))
        })
    }
}

#[test]
fn a_holder_that_is_lost_is_replaced() -> Result<()> {
    let mut served = Served::create()?;
    send(served.holder.0, Signal::SIGKILL)?;
    served.site.daemon.wait_log(&["lost the holder"])?;
    served.await_another_holder()?;
    let guest = guest_of(&served.site);
    during(&guest, || served.restart())?.assert_served("a restart with a new holder");
    Ok(())
}

#[test]
fn a_holder_that_cannot_be_started_is_tried_again() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_clone, libc::SYS_clone3, libc::SYS_vfork]);
    let mut served = Served::with(|setup| setup.inside(calls.clone()))?;
    let supervisor = served.site.daemon.pid();
    calls.rule(move |call| (call.pid == supervisor).then_some(Errno::EAGAIN));
    send(served.holder.0, Signal::SIGKILL)?;
    served
        .site
        .daemon
        .wait_log(&["ERROR", "cannot have guests' sockets held", "trying again"])?;
    calls.clear();
    served.await_another_holder()?;
    let guest = guest_of(&served.site);
    during(&guest, || served.restart())?.assert_served("a restart with a late holder");
    Ok(())
}

#[test]
fn a_restart_waits_for_no_name_server() -> Result<()> {
    let server = Arc::new(SilentNameServer::start()?);
    let mut served = Served::with(|setup| {
        let setup = setup.nova_port(1).inside(server.clone());
        setup.default_option("nova_metadata_host", "nova.test")
    })?;
    let mut asking = served.site.guest.connect()?;
    http::send(&mut asking, DOCUMENT, "")?;
    server.wait_asked()?;
    served.restart()
}

#[test]
fn a_holder_that_does_not_answer_keeps_nothing_once_it_goes_on() -> Result<()> {
    let mut served = Served::create()?;
    let hung = served.holder.0;
    send(hung, Signal::SIGSTOP)?;
    let restarted = served.restart();
    send(hung, Signal::SIGCONT)?;
    restarted?;
    wait::until("it ends", LIMIT, || Ok(has_ended(hung)))?;
    let guest = guest_of(&served.site);
    let moment = || {
        sleep(Duration::from_secs(1));
        Ok(())
    };
    during(&guest, moment)?.assert_served("sockets that are held by another");
    let kept = served.manager.kept();
    let holders = kept.iter().filter(|name| *name == "holder");
    assert_eq!(holders.count(), 1, "{kept:?}");
    Ok(())
}
