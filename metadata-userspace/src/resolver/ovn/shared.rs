//! What the task that keeps the index and the threads that serve guests share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::index::Index;

/// Who this host is in OVN, according to its own Open vSwitch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// `system-id`: the chassis' name.
    pub(super) chassis: String,
    pub(super) bridge: String,
}

/// How far the index can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Why no server is connected; `None`: one is.
    pub(super) problem: Option<String>,
    /// Changes of anything.
    pub(super) changes: u64,
    /// The last question whether the index is up to date that was answered.
    pub(super) answered: u64,
    /// The index has all that was committed before.
    pub(super) as_of: Option<Instant>,
    /// Since when a question waits for its answer.
    pub(super) waiting_since: Option<Instant>,
}

pub(super) struct Shared {
    index: RwLock<Index>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) host: ArcSwapOption<Host>,
    /// Wakes the session of the southbound database.
    pub(super) woken: Arc<Notify>,
    /// Datapaths whose ports a request needs.
    wanted: Mutex<BTreeSet<Uuid>>,
    questions: AtomicU64,
}

impl Shared {
    pub(super) fn new() -> Self {
        let standing = Standing {
            problem: Some("no server has answered yet".to_owned()),
            changes: 0,
            answered: 0,
            as_of: None,
            waiting_since: None,
        };
        Self {
            index: RwLock::default(),
            standing: watch::Sender::new(standing),
            host: ArcSwapOption::empty(),
            woken: Arc::default(),
            wanted: Mutex::default(),
            questions: AtomicU64::new(0),
        }
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the ports of these datapaths and then whether the index is up to
    /// date; returns the number of that question.
    pub(super) fn ask(&self, datapaths: Vec<Uuid>) -> u64 {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.extend(datapaths);
        let question = self.questions.fetch_add(1, Ordering::Relaxed) + 1;
        self.woken.notify_one();
        question
    }

    pub(super) fn take_wanted(&self) -> BTreeSet<Uuid> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wanted)
    }

    pub(super) fn last_question(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }
}
