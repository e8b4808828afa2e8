//! Noticing that Nova hangs: it takes requests and answers none.
//!
//! A Nova that refuses connections costs nothing to ask; one that hangs costs
//! every guest the whole deadline, and cloud-init gives up before that. So when
//! it hangs, guests whose documents are known get them at once, and one request
//! at a time goes on asking; an answer that shows Nova at work ends that state. Others
//! do not, or guests could hide a hang: there are paths that something before Nova answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Nothing answered for so long, while a request waits, is a sign; it is half of
/// cloud-init's time-out for a document, 10 s.
const SIGN: Duration = Duration::from_secs(5);

/// Whether Nova hangs.
#[derive(Debug)]
pub(super) struct Hang {
    pub(super) sign: Duration,
    hangs: AtomicBool,
    /// How many there were, to see whether there are any.
    answers: AtomicUsize,
    probing: Arc<AtomicBool>,
}

impl Hang {
    /// `deadline`: the longest that a request waits.
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            sign: SIGN.min(deadline / 2),
            hangs: AtomicBool::new(false),
            answers: AtomicUsize::new(0),
            probing: Arc::default(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// To hold while Nova is waited for.
    pub(super) fn wait(&self) -> Wait<'_> {
        Wait {
            hang: self,
            since: Instant::now(),
            answers: self.answers.load(Ordering::Relaxed),
        }
    }

    /// By Nova at work.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.is_on() {
            self.hangs.store(false, Ordering::Relaxed);
        }
    }

    /// The right to ask although Nova hangs, for one at a time.
    pub(super) fn probe(&self) -> Option<Probe> {
        let taken = self.probing.swap(true, Ordering::AcqRel);
        (!taken).then(|| Probe(Arc::clone(&self.probing)))
    }
}

/// A request that waits for its answer.
pub(super) struct Wait<'a> {
    hang: &'a Hang,
    since: Instant,
    answers: usize,
}

impl Wait<'_> {
    /// Whether Nova answered nobody while this waited, for long enough: one slow
    /// document is no hang.
    pub(super) fn is_in_vain(&self) -> bool {
        let in_vain = self.since.elapsed() >= self.hang.sign
            && self.hang.answers.load(Ordering::Relaxed) == self.answers;
        if in_vain {
            self.hang.hangs.store(true, Ordering::Relaxed);
        }
        in_vain
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

    fn wait_long(hang: &Hang, meanwhile: impl FnOnce()) -> bool {
        let wait = hang.wait();
        assert!(!wait.is_in_vain(), "it has just begun");
        std::thread::sleep(Duration::from_millis(510));
        meanwhile();
        wait.is_in_vain() && hang.is_on()
    }

    #[test]
    fn silence_is_a_sign_and_an_answer_ends_it() {
        let hang = Hang::new(Duration::from_secs(1));
        assert!(wait_long(&hang, || {}));
        hang.answered();
        assert!(!hang.is_on());
    }

    #[test]
    fn one_slow_document_among_others_is_none() {
        let hang = Hang::new(Duration::from_secs(1));
        assert!(!wait_long(&hang, || hang.answered()));
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
