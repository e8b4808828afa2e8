//! A start that takes longer than shims have to register anew, as a whole or for a namespace.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::http;
use xtask::lab::router::Router;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::unique;

use crate::load::during;
use crate::{DOCUMENT, Served, guest_of, wait_ended};

/// More than the 10 s that shims have.
const LONG: Duration = Duration::from_secs(11);

/// Whose namespace is looked at before those of others.
fn first_router() -> Result<Router> {
    let rest: String = unique::uuid()?.chars().skip(8).collect();
    Router::with_id(&format!("00000000{rest}"))
}

#[test]
fn who_waits_for_a_namespace_that_is_looked_at_late_is_answered() -> Result<()> {
    let first = first_router()?;
    let calls = SystemCalls::watch(&[libc::SYS_setns]);
    let mut served = Served::with(|mut setup| {
        setup.namespaces.push(first.namespace().name().to_owned());
        setup.inside(calls.clone())
    })?;
    let worker = served.site.daemon.worker_pid()?;
    // Before its supervisor, which would replace it.
    served.site.daemon.signal(Signal::SIGSTOP)?;
    send(worker, Signal::SIGKILL)?;
    served.site.daemon.kill()?;
    let mut waiting = served.site.guest.connect()?;
    let mut is_first = true;
    calls.rule(move |_| {
        if std::mem::take(&mut is_first) {
            sleep(LONG);
        }
        None
    });
    served.start_again()?;
    let response = http::get(&mut waiting, DOCUMENT, "")?;
    assert_eq!(response.json()?["uuid"], served.site.instance.uuid);
    assert!(!served.site.daemon.log().contains("closed what an earlier"));
    Ok(())
}

#[test]
fn a_namespace_that_cannot_be_served_at_first_is_served_by_the_worker_before() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_setns]);
    let mut served = Served::with(|setup| setup.inside(calls.clone()))?;
    let name = served.site.router.namespace().name().to_owned();
    let worker = served.site.daemon.worker_pid()?;
    let guest = guest_of(&served.site);
    let tally = during(&guest, || {
        served.site.daemon.stop()?;
        calls.rule(|_| Some(Errno::ENOMEM));
        served.start_again()?;
        served
            .site
            .daemon
            .wait_log(&["ERROR", &name, "cannot be served"])?;
        sleep(LONG);
        calls.clear();
        served.site.daemon.wait_serving(&name)?;
        wait_ended(worker)
    })?;
    tally.assert_served("a start for which there was no memory");
    Ok(())
}
