//! Many guests that boot within some seconds.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::crawl::crawl;
use super::reader::Reader;
use super::session::Target;
use super::tally::Tally;
use crate::lab::namespace::Namespace;
use crate::stop;

/// cloud-init looks for its data source in two of its stages, init-local and init, and
/// boots without one then. Here it is begun again all the same, to see when it would
/// have been served.
const STAGES: u32 = 2;
const BETWEEN_CRAWLS: Duration = Duration::from_secs(2);

/// Who asks, and whom.
pub(super) struct Asker<'a> {
    /// `None`: from the host itself.
    pub(super) inside: Option<&'a Namespace>,
    pub(super) target: Target,
}

/// How they come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    /// From the first to the last.
    pub(super) spread: Duration,
    /// Others wait for the end of one.
    pub(super) at_once: Option<NonZeroUsize>,
    /// After that nobody asks any more.
    pub(super) limit: Duration,
}

/// What became of one guest.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Seconds after the first guest began, until this one had everything.
    pub(super) complete: Option<f64>,
    pub(super) failed_crawls: u32,
    pub(super) tally: Tally,
}

impl Fate {
    /// Whether cloud-init would have booted without its data.
    pub(super) fn is_stranded(&self) -> bool {
        self.failed_crawls >= STAGES || self.complete.is_none()
    }
}

impl Wave {
    /// Lets all of them boot, and waits for the last or the limit.
    ///
    /// # Errors
    /// When somebody asked us to end, or a thread cannot be made.
    pub(super) fn roll(self, askers: &[Asker<'_>]) -> Result<Vec<Fate>> {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let began = Instant::now();
        let workers = self.at_once.map_or(askers.len(), NonZeroUsize::get);
        let work = || {
            let mut fates = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(asker) = askers.get(index) else {
                    return fates;
                };
                let due = self.due(index, askers.len());
                thread::sleep(due.saturating_sub(began.elapsed()));
                fates.push(boot(asker, began, &over));
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                if began.elapsed() > self.limit || stop::asked() {
                    over.store(true, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(100));
            }
            stop::check()?;
            let fates = workers.into_iter().map(thread::ScopedJoinHandle::join);
            let fates = fates.collect::<Result<Vec<_>, _>>();
            let fates = fates.map_err(|_| anyhow!("a guest panicked"))?;
            fates.into_iter().flatten().collect()
        })
    }

    fn due(self, index: usize, of: usize) -> Duration {
        #[allow(clippy::cast_precision_loss, reason = "a thousand")]
        let part = index as f64 / of.max(1) as f64;
        self.spread.mul_f64(part)
    }
}

fn boot(asker: &Asker<'_>, began: Instant, over: &AtomicBool) -> Result<Fate> {
    match asker.inside {
        Some(inside) => inside.enter(|| ask(&asker.target, began, over)),
        None => Ok(ask(&asker.target, began, over)),
    }
}

fn ask(target: &Target, began: Instant, over: &AtomicBool) -> Fate {
    let mut reader = Reader::new(target, over);
    let mut fate = Fate::default();
    while !over.load(Ordering::Relaxed) {
        if crawl(&mut reader).is_ok() {
            fate.complete = Some(began.elapsed().as_secs_f64());
            break;
        }
        if !over.load(Ordering::Relaxed) {
            fate.failed_crawls += 1;
            thread::sleep(BETWEEN_CRAWLS);
        }
    }
    fate.tally = reader.tally;
    fate
}
