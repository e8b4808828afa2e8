//! One fetch for everyone who asks the same at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::NovaError;
use super::question::Question;
use super::whole::WholeAnswer;

/// What a fetch brought.
#[derive(Clone, Debug)]
pub(super) enum Brought {
    Answer(WholeAnswer),
    /// More than is shared: whoever wants it asks for itself.
    TooMuch,
    Failure(Arc<NovaError>),
}

/// What is under way, and who waits for it; on any thread.
#[derive(Default)]
pub(super) struct Fetches {
    under_way: Mutex<HashMap<Arc<Question>, Vec<oneshot::Sender<Brought>>>>,
}

/// Whose it is to fetch.
pub(super) enum Fetch {
    Own(Duty),
    /// Another's. When it goes away without a word, the receiver hears that.
    Others(oneshot::Receiver<Brought>),
}

impl Fetches {
    pub(super) fn join(self: &Arc<Self>, question: &Arc<Question>) -> Fetch {
        let mut under_way = self.lock();
        if let Some(waiting) = under_way.get_mut(question) {
            let (sender, receiver) = oneshot::channel();
            waiting.push(sender);
            return Fetch::Others(receiver);
        }
        under_way.insert(Arc::clone(question), Vec::new());
        Fetch::Own(Duty {
            fetches: Arc::clone(self),
            question: Some(Arc::clone(question)),
        })
    }

    fn land(&self, question: &Arc<Question>) -> Vec<oneshot::Sender<Brought>> {
        self.lock().remove(question).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Question>, Vec<oneshot::Sender<Brought>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to fetch. Dropped undone, because the guest it was for hung up, it
/// passes to whoever of the others joins first.
pub(super) struct Duty {
    fetches: Arc<Fetches>,
    /// `None` once it is done.
    question: Option<Arc<Question>>,
}

impl Duty {
    /// Hands the outcome to everyone who waits; it is only made when someone does.
    pub(super) fn done(mut self, brought: impl Fn() -> Brought) {
        if let Some(question) = self.question.take() {
            for waiting in self.fetches.land(&question) {
                // Whoever hung up does not want it.
                let _ = waiting.send(brought());
            }
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(question) = self.question.take() {
            drop(self.fetches.land(&question));
        }
    }
}
