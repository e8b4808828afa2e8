//! What guests notice of restarts, reloads, upgrades and kills, under a steady load.

mod act;
mod client;
mod figures;
mod flight;
mod scene;
mod table;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

pub(super) use self::act::Act;
use self::client::Log;
use self::figures::Figures;
use self::scene::Scene;
use crate::lab::kills::Kills;
use crate::stop;

/// Requests a second, of all guests together.
const RATE: u32 = 2_000;
/// Before the first act and after the last one.
const SETTLE: Duration = Duration::from_secs(1);

const NOTES: &[&str] = &[
    "8 guests behind 2 routers send 2,000 requests a second, due at fixed times whatever became \
     of those before; every second one on a new connection, the others on connections that are \
     kept; latencies are counted from when a request was due",
    "closed idle: a request met the end of a kept connection, as with any server, and was sent \
     again on a new one (RFC 9112, 9.3.1); it is counted once more by what became of it then",
    "in flight: cut off by a reset or an end, sent before all threads of a killed worker had \
     ended and noticed within 1 s of that; those on kept connections of which no answer had come \
     were sent again, the others are lost. Whether the worker had accepted the connection, a \
     guest cannot see. Whatever else fails is a failure, also a request that is not answered \
     and whose kept connection ends 1 s later",
    "a killed daemon is started again after 0.5 s, as by the unit; upgrades are reloads after \
     another release was installed: other programs, another ABI, and this release again",
];

/// How often each act is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Restarts, reloads, and each kind of kill.
    pub(super) times: u32,
    pub(super) upgrades: u32,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Restarts {
    notes: &'static [&'static str],
    rate: u32,
    acts: Vec<Figures>,
}

/// # Errors
/// When the daemon cannot be started, or does not come back after an act.
pub(super) fn run(binary: &Path, counts: Counts, only: &[Act]) -> Result<Restarts> {
    let mut acts = Vec::new();
    for &act in Act::ALL {
        if !only.is_empty() && !only.contains(&act) {
            continue;
        }
        let times = match act {
            Act::Upgrade => counts.upgrades,
            _ => counts.times,
        };
        eprintln!("      {times} × {}", act.name());
        acts.push(repeat(binary, act, times)?);
    }
    Ok(Restarts {
        notes: NOTES,
        rate: RATE,
        acts,
    })
}

fn repeat(binary: &Path, act: Act, times: u32) -> Result<Figures> {
    let mut scene = Scene::set(binary)?;
    let (kills, started) = (Kills::default(), Instant::now());
    let log = under_load(&mut scene, |scene| {
        for number in 0..times {
            stop::check()?;
            act.perform(scene, number, &kills)
                .with_context(|| format!("{}, number {}", act.name(), number + 1))?;
        }
        Ok(())
    })?;
    Ok(Figures::of(
        act.name(),
        times,
        started.elapsed(),
        log,
        &kills,
    ))
}

/// Has all guests ask while `work` runs.
fn under_load(scene: &mut Scene, work: impl FnOnce(&mut Scene) -> Result<()>) -> Result<Log> {
    let is_over = AtomicBool::new(false);
    let guests = scene.guests();
    let (everybody, first) = (guests.len().try_into()?, Instant::now() + SETTLE / 2);
    let every = Duration::from_secs(1) * everybody / RATE;
    thread::scope(|scope| {
        let is_over = &is_over;
        let asking: Vec<_> = (0..everybody)
            .zip(guests)
            .map(|(number, guest)| {
                // One after the other, not all at once.
                let first = first + every * number / everybody;
                scope.spawn(move || guest.enter(|| client::ask(first, every, is_over))?)
            })
            .collect();
        thread::sleep(SETTLE);
        let worked = work(scene);
        thread::sleep(SETTLE);
        is_over.store(true, Ordering::Relaxed);
        let mut all = Log::default();
        for guest in asking {
            all.add(guest.join().map_err(|_| anyhow!("a guest panicked"))??);
        }
        worked.map(|()| all)
    })
}
