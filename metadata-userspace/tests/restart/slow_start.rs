//! A start that takes longer than shims have to register anew.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::libc;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::http;
use xtask::lab::router::Router;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::unique;

use crate::{DOCUMENT, Served};

/// More than the 10 s that shims have.
const FIRST_NAMESPACE: Duration = Duration::from_secs(11);

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
            sleep(FIRST_NAMESPACE);
        }
        None
    });
    served.start_again()?;
    let response = http::get(&mut waiting, DOCUMENT, "")?;
    assert_eq!(response.json()?["uuid"], served.site.instance.uuid);
    assert!(!served.site.daemon.log().contains("closed what an earlier"));
    Ok(())
}
