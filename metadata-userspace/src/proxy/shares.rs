//! How many connections each thread has: none is to have many more than another.
//!
//! Whoever is awake accepts. That is the thread which has something to do already, so
//! without this it got nearly all of 64 connections that were opened at once, and another
//! processor was idle.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What threads with few connections may differ by: to wait for another costs time too.
const SLACK: usize = 4;

/// Those of all threads.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<Vec<Arc<AtomicUsize>>>);

/// That of one thread, which has one for as long as it accepts.
#[derive(Debug)]
pub(super) struct Share<'a> {
    all: &'a Shares,
    connections: Arc<AtomicUsize>,
}

impl Shares {
    pub(super) fn join(&self) -> Share<'_> {
        let connections = Arc::default();
        self.lock().push(Arc::clone(&connections));
        Share {
            all: self,
            connections,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<AtomicUsize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    pub(super) fn set(&self, connections: usize) {
        self.connections.store(connections, Relaxed);
    }

    /// Whether another thread should rather have the next connection.
    pub(super) fn is_ahead(&self) -> bool {
        let all = self.all.lock();
        let fewest = all.iter().map(|share| share.load(Relaxed)).min();
        fewest.is_some_and(|fewest| self.connections.load(Relaxed) > fewest + SLACK)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        all.retain(|share| !Arc::ptr_eq(share, &self.connections));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_many_more_than_another_is_ahead() {
        let shares = Shares::default();
        let (one, other) = (shares.join(), shares.join());
        one.set(SLACK);
        assert!(!one.is_ahead());
        one.set(SLACK + 1);
        assert!(one.is_ahead() && !other.is_ahead());
        other.set(1);
        assert!(!one.is_ahead());
    }

    #[test]
    fn nobody_is_ahead_of_who_has_left() {
        let shares = Shares::default();
        let (one, other) = (shares.join(), shares.join());
        one.set(100);
        drop(other);
        assert!(!one.is_ahead());
    }
}
