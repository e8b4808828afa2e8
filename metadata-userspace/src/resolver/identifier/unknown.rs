//! Requesters that nobody knew a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::Requester;

/// Short, because the guest's port may become known at any time.
const LIFETIME: Duration = Duration::from_secs(3);

/// A guest can send from as many addresses as it likes; beyond this many each of
/// them waits its time.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct RecentlyUnknown(Mutex<HashMap<Requester, Instant>>);

impl RecentlyUnknown {
    pub(super) fn contains(&self, requester: &Requester) -> bool {
        let unknown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unknown
            .get(requester)
            .is_some_and(|since| since.elapsed() < LIFETIME)
    }

    pub(super) fn insert(&self, requester: &Requester) {
        let mut unknown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= MOST {
            unknown.retain(|_, since| since.elapsed() < LIFETIME);
        }
        if unknown.len() < MOST {
            unknown.insert(requester.clone(), Instant::now());
        }
    }
}
