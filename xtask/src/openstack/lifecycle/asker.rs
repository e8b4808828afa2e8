//! A guest that asks all the time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::visitor::Visitor;

const INTERVAL: Duration = Duration::from_millis(5);
/// As patient as cloud-init.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it saw; no request failed.
#[derive(Debug)]
pub(super) struct Asked {
    count: usize,
    slowest: Duration,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "0 of {} requests failed, the slowest took {:.0?}",
            self.count, self.slowest
        )
    }
}

/// Calls `work` while a guest asks, each time on a connection of its own.
///
/// # Errors
/// When a request was not answered.
pub(super) fn while_asking(visitor: &Visitor, work: impl FnOnce() -> Result<()>) -> Result<Asked> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| keep_asking(visitor, &done));
        let outcome = work();
        done.store(true, Ordering::Relaxed);
        let (asked, failed) = asking.join().map_err(|_| anyhow!("a guest panicked"))?;
        outcome?;
        let count = asked.count;
        ensure!(
            failed.is_empty(),
            "of {count} requests some failed: {failed:?}"
        );
        Ok(asked)
    })
}

fn keep_asking(visitor: &Visitor, done: &AtomicBool) -> (Asked, BTreeMap<String, usize>) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    let mut failed = BTreeMap::new();
    while !done.load(Ordering::Relaxed) {
        let start = Instant::now();
        if let Err(error) = visitor.ask_within(PATIENCE) {
            *failed.entry(format!("{error:#}")).or_default() += 1;
        }
        count += 1;
        slowest = slowest.max(start.elapsed());
        sleep(INTERVAL);
    }
    (Asked { count, slowest }, failed)
}
