//! An upgrade that is killed just before any of the steps by which it takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

use anyhow::Result;
use nix::libc;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::wait;
use xtask::releases::Release;

use crate::load::during;
use crate::upgrade::Installed;
use crate::{DOCUMENT, LIMIT, guest_of};

const MOMENTS: usize = 24;
/// Calls of a supervisor from before it loads programs until it is ready, of which workers
/// make few.
const STEPS: [i64; 5] = [
    libc::SYS_bpf,
    libc::SYS_setns,
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_listen,
];
const RELEASES: [Release; 3] = [Release::NextAbi, Release::This, Release::NextCode];

#[derive(Clone, Copy, Debug)]
enum Way {
    Reload,
    Restart,
}

/// Counts a daemon's steps, and may kill it before one of them.
struct Steps {
    calls: Arc<SystemCalls>,
    /// The one whose steps count.
    daemon: Arc<AtomicU32>,
    taken: Arc<AtomicUsize>,
    is_killed: Arc<AtomicBool>,
}

impl Steps {
    fn watch() -> Self {
        Self {
            calls: SystemCalls::watch(&STEPS),
            daemon: Arc::default(),
            taken: Arc::default(),
            is_killed: Arc::default(),
        }
    }

    fn kill_before(&self, step: usize) {
        let (daemon, taken) = (self.daemon.clone(), self.taken.clone());
        let is_killed = self.is_killed.clone();
        taken.store(0, SeqCst);
        is_killed.store(false, SeqCst);
        self.calls.rule(move |call| {
            if call.pid == daemon.load(SeqCst) && taken.fetch_add(1, SeqCst) == step {
                is_killed.store(send(call.pid, Signal::SIGKILL).is_ok(), SeqCst);
            }
            None
        });
    }
}

/// Has another program take over, until it is ready or killed; whether it was ready.
fn take_over(installed: &mut Installed, steps: &Steps, way: Way) -> Result<bool> {
    let (daemon, manager) = (&mut installed.served.site.daemon, &installed.served.manager);
    match way {
        Way::Reload => {
            manager.clear_said();
            steps.daemon.store(daemon.pid(), SeqCst);
            daemon.signal(Signal::SIGHUP)?;
        }
        Way::Restart => {
            daemon.stop()?;
            manager.clear_said();
            daemon.launch_again()?;
            steps.daemon.store(daemon.pid(), SeqCst);
        }
    }
    wait::until("it is ready or killed", LIMIT, || {
        Ok(manager.was_told("READY=1") || steps.is_killed.load(SeqCst))
    })?;
    steps.calls.clear();
    Ok(!steps.is_killed.load(SeqCst))
}

/// How many steps it takes when nobody kills it.
fn whole(installed: &mut Installed, steps: &Steps, way: Way, release: Release) -> Result<usize> {
    installed.install(release)?;
    steps.kill_before(usize::MAX);
    take_over(installed, steps, way)?;
    installed.wait_pinned(release)?;
    Ok(steps.taken.load(SeqCst))
}

#[test]
fn an_upgrade_that_is_killed_at_any_moment_leaves_guests_served() -> Result<()> {
    let steps = Steps::watch();
    let mut installed = Installed::with(|setup| setup.inside(steps.calls.clone()))?;
    let guest = guest_of(&installed.served.site);
    let (mut serving, mut replaced, mut finished) = (Release::This, 0, 0);
    let tally = during(&guest, || {
        let reload = whole(&mut installed, &steps, Way::Reload, Release::NextAbi)?;
        let restart = whole(&mut installed, &steps, Way::Restart, serving)?;
        println!("{reload} steps of a reload, {restart} of a restart");
        for moment in 1..=MOMENTS {
            let mut others = RELEASES.iter().copied().filter(|one| *one != serving);
            let release = others.nth(moment / 4 % 2).unwrap_or(serving);
            let (way, whole) = match moment % 2 {
                0 => (Way::Reload, reload),
                _ => (Way::Restart, restart),
            };
            let before = installed.tag()?;
            installed.install(release)?;
            // The first of them are an early end like any other.
            steps.kill_before(whole / 3 + whole * 2 / 3 * moment / MOMENTS);
            finished += usize::from(take_over(&mut installed, &steps, way)?);
            installed.served.site.daemon.kill()?;
            replaced += usize::from(installed.tag()? != before);
            // On to it, or back to the one before.
            if moment % 4 < 2 {
                installed.install(serving)?;
            } else {
                serving = release;
            }
            installed.served.start_again()?;
            installed.wait_pinned(serving)?;
        }
        Ok(())
    })?;
    tally.assert_served(&format!(
        "upgrades killed, of {MOMENTS} {replaced} after the programs and {finished} after READY"
    ));
    assert!(finished < MOMENTS / 2, "hardly any was interrupted");
    assert!(
        finished < replaced && replaced < MOMENTS,
        "before and after it replaced the programs"
    );
    assert_eq!(installed.served.site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
