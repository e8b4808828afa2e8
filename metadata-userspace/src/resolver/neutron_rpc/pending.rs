//! Calls that wait for their replies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;

use super::reply::{News, RemoteError, Reply};

/// What a call comes to.
pub(super) type Outcome = Result<Value, RemoteError>;

/// The calls of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<String, Waiting>,
    /// The connection is gone, and with it every reply.
    over: bool,
}

#[derive(Debug)]
struct Waiting {
    /// Of a server that sends the result and the end in two messages.
    result: Option<Value>,
    caller: oneshot::Sender<Outcome>,
}

/// A place in the table, which goes with its holder.
#[derive(Debug)]
pub(super) struct Expected {
    message_id: String,
    pending: Pending,
    reply: oneshot::Receiver<Outcome>,
}

impl Pending {
    /// Makes a place for the reply to `message_id`.
    pub(super) fn expect(&self, message_id: String) -> Expected {
        let (caller, reply) = oneshot::channel();
        let mut state = self.lock();
        if !state.over {
            let result = None;
            state
                .waiting
                .insert(message_id.clone(), Waiting { result, caller });
        }
        Expected {
            message_id,
            pending: self.clone(),
            reply,
        }
    }

    /// Hands a reply to its caller. Late ones and duplicates have none.
    pub(super) fn deliver(&self, reply: Reply) -> bool {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.get_mut(&reply.message_id) else {
            return false;
        };
        let outcome = match reply.news {
            News::More(result) => {
                waiting.result = result.or(waiting.result.take());
                return true;
            }
            News::Returned(Value::Null) => Ok(waiting.result.take().unwrap_or(Value::Null)),
            News::Returned(result) => Ok(result),
            News::Raised(error) => Err(error),
        };
        if let Some(waiting) = state.waiting.remove(&reply.message_id) {
            // A caller that stopped waiting does not want it.
            let _ = waiting.caller.send(outcome);
        }
        true
    }

    /// No reply will come any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.over = true;
        state.waiting = HashMap::new();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    pub(super) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The outcome; none when the connection went before it came.
    pub(super) async fn outcome(mut self) -> Option<Outcome> {
        (&mut self.reply).await.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.message_id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(message_id: &str, news: News) -> Reply {
        Reply {
            message_id: message_id.to_owned(),
            news,
        }
    }

    fn waiting(pending: &Pending) -> usize {
        pending.lock().waiting.len()
    }

    #[tokio::test]
    async fn replies_find_their_callers_in_any_order() {
        let pending = Pending::default();
        let (a, b) = (pending.expect("a".into()), pending.expect("b".into()));
        assert!(pending.deliver(reply("b", News::Returned(json!(2)))));
        assert!(pending.deliver(reply("a", News::Returned(json!(1)))));
        assert_eq!(a.outcome().await, Some(Ok(json!(1))));
        assert_eq!(b.outcome().await, Some(Ok(json!(2))));
        assert_eq!(waiting(&pending), 0);
    }

    #[tokio::test]
    async fn late_and_duplicate_replies_are_ignored() {
        let pending = Pending::default();
        let call = pending.expect("a".into());
        assert!(pending.deliver(reply("a", News::Returned(json!(1)))));
        assert!(!pending.deliver(reply("a", News::Returned(json!(2)))));
        assert!(!pending.deliver(reply("unknown", News::Returned(json!(3)))));
        assert_eq!(call.outcome().await, Some(Ok(json!(1))));
    }

    #[tokio::test]
    async fn a_result_may_come_before_the_end() {
        let pending = Pending::default();
        let call = pending.expect("a".into());
        for news in [
            News::More(None),
            News::More(Some(json!([1]))),
            News::More(None),
            News::Returned(Value::Null),
        ] {
            assert!(pending.deliver(reply("a", news)));
        }
        assert_eq!(call.outcome().await, Some(Ok(json!([1]))));
    }

    #[test]
    fn callers_that_give_up_leave_nothing_behind() {
        let pending = Pending::default();
        let call = pending.expect("a".into());
        assert_eq!(waiting(&pending), 1);
        drop(call);
        assert_eq!(waiting(&pending), 0);
    }

    #[tokio::test]
    async fn the_end_of_the_connection_ends_all_calls() {
        let pending = Pending::default();
        let before = pending.expect("a".into());
        pending.end();
        let after = pending.expect("b".into());
        assert_eq!(before.outcome().await, None);
        assert_eq!(after.outcome().await, None);
        assert_eq!(waiting(&pending), 0);
    }
}
