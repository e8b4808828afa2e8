//! Noticing that Nova hangs: it takes requests and answers none.
//!
//! A Nova that refuses connections costs nothing to ask; one that hangs costs
//! every guest the whole deadline, and cloud-init gives up before that. So when
//! it hangs, guests whose documents are known get them at once, and one request
//! at a time goes on asking; any answer ends that state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::health::Health;

/// A request that waited for this in vain is a sign; half of cloud-init's
/// time-out for a document, 10 s.
const SIGN: Duration = Duration::from_secs(5);

/// Whether Nova hangs.
#[derive(Debug)]
pub(super) struct Hang {
    sign: Duration,
    hangs: AtomicBool,
    probing: Arc<AtomicBool>,
}

impl Hang {
    /// `deadline`: the longest that a request waits.
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            sign: SIGN.min(deadline / 2),
            hangs: AtomicBool::new(false),
            probing: Arc::default(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// To hold while Nova is waited for.
    pub(super) fn wait<'a>(&'a self, health: &'a Health) -> Wait<'a> {
        Wait {
            hang: self,
            health,
            since: Instant::now(),
        }
    }

    /// The right to ask although Nova hangs, for one at a time.
    pub(super) fn probe(&self) -> Option<Probe> {
        let taken = self.probing.swap(true, Ordering::AcqRel);
        (!taken).then(|| Probe(Arc::clone(&self.probing)))
    }
}

/// Dropped without an answer, after long enough, it is a sign of a hang: the
/// deadline ended it, or the guest gave up.
pub(super) struct Wait<'a> {
    hang: &'a Hang,
    health: &'a Health,
    since: Instant,
}

impl Wait<'_> {
    pub(super) fn answered(self) {
        // Every answer comes by here, so the common case writes nothing.
        if self.hang.is_on() {
            self.hang.hangs.store(false, Ordering::Relaxed);
        }
        std::mem::forget(self);
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed();
        if waited >= self.hang.sign {
            self.hang.hangs.store(true, Ordering::Relaxed);
            self.health.hangs(waited);
        }
    }
}

/// See [`Hang::probe`].
pub(super) struct Probe(Arc<AtomicBool>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependencies::Dependencies;

    #[test]
    fn waiting_long_in_vain_is_a_sign_and_any_answer_ends_it() {
        let health = Health::new(Dependencies::default().dependency("nova"));
        let hang = Hang::new(Duration::from_millis(20));
        drop(hang.wait(&health));
        assert!(!hang.is_on(), "a quick failure is no hang");
        let wait = hang.wait(&health);
        std::thread::sleep(Duration::from_millis(11));
        drop(wait);
        assert!(hang.is_on());
        hang.wait(&health).answered();
        assert!(!hang.is_on());
    }

    #[test]
    fn one_at_a_time_probes() {
        let hang = Hang::new(Duration::from_secs(1));
        let probe = hang.probe();
        assert!(probe.is_some() && hang.probe().is_none());
        drop(probe);
        assert!(hang.probe().is_some());
    }
}
