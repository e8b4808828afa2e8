//! A start that is ended before all namespaces have been looked at: what it has opened is
//! there for the next one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow};
use nix::libc;
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, Setup, send};
use xtask::lab::inventory;
use xtask::lab::router::Router;
use xtask::lab::service_manager::ServiceManager;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::{unique, wait};

use crate::holder::Holder;
use crate::{LIMIT, METADATAD};

/// For operators, haproxies, the embedded API and shims.
const OWN: usize = 4;

/// How many guests' sockets were opened, all of which are held, when a signal came while the
/// one after so many was opened.
fn opened_and_held(routers: &[Router], signal: Signal, after: usize) -> Result<usize> {
    let manager = Arc::new(ServiceManager::start()?);
    let calls = SystemCalls::watch(&[libc::SYS_listen]);
    let opened = Arc::new(AtomicUsize::new(0));
    let holder = Arc::new(Mutex::new(None));
    let (counter, found) = (opened.clone(), holder.clone());
    calls.rule(move |call| {
        if counter.fetch_add(1, Ordering::SeqCst) == OWN + after {
            *found.lock().ok()? = Holder::of(call.pid).ok();
            send(call.pid, signal).ok()?;
        }
        None
    });
    let names: Vec<&str> = routers.iter().map(|one| one.namespace().name()).collect();
    let setup = Setup::new(METADATAD, &names, inventory::file(&[])?)?;
    let setup = setup.service_of(&manager).inside(calls);
    let mut daemon = Daemon::launch(setup)?;
    wait::until("the daemon ends", 2 * LIMIT, || {
        Ok(daemon.check_running().is_err())
    })?;
    let holder = holder.lock().map_err(|_| anyhow!("it panicked"))?.take();
    let holder = holder.context("nothing was opened")?;
    // The one during which it was killed is nobody's.
    let is_killed = usize::from(signal == Signal::SIGKILL);
    let opened = opened.load(Ordering::SeqCst) - OWN - is_killed;
    // The last may still be on their way when the daemon has ended.
    wait::until(&format!("{opened} are held"), LIMIT, || {
        Ok(holder.sockets()? == opened)
    })?;
    Ok(opened)
}

/// Which comes before or after others.
fn router(first_digit: char) -> Result<Router> {
    let rest: String = unique::uuid()?.chars().skip(1).collect();
    Router::with_id(&format!("{first_digit}{rest}"))
}

#[test]
fn a_stop_leaves_every_socket_that_is_open() -> Result<()> {
    let routers = (0..40).map(|_| Router::create());
    let routers = routers.collect::<Result<Vec<_>>>()?;
    let opened = opened_and_held(&routers, Signal::SIGTERM, 5)?;
    assert!((6..40).contains(&opened), "{opened} were opened");
    Ok(())
}

#[test]
fn a_kill_leaves_nearly_all() -> Result<()> {
    const INTERFACES: usize = 300;
    let routers = [router('0')?, router('e')?, router('f')?];
    let [large, ..] = &routers;
    large.idle_interfaces(INTERFACES)?;
    let opened = opened_and_held(&routers, Signal::SIGKILL, INTERFACES + 1)?;
    assert_eq!(opened, INTERFACES + 1);
    Ok(())
}
