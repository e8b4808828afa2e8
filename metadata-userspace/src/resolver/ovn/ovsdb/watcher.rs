//! What a client of a database wants of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::replica::{Replica, TableSpec, Touched};

/// Which rows of a table are wanted: any that satisfies one of the clauses
/// (RFC 7047, `<condition>`). All rows of tables that are not named here.
pub type Conditions = BTreeMap<&'static str, Vec<Value>>;

/// How a transaction ended.
pub type Outcome = Result<(), String>;

/// Decides what is fetched, learns what changes, and says what to write. It is
/// asked after everything that happens, and keeps no one waiting.
pub trait Watcher: Send + 'static {
    fn database(&self) -> &'static str;

    fn tables(&self) -> &'static [TableSpec];

    /// The same pointer for the same conditions: it is compared often.
    fn conditions(&mut self) -> Arc<Conditions>;

    /// A server is connected, and what it has is in the replica.
    fn connected(&mut self) {}

    /// No server is connected now.
    fn disconnected(&mut self, reason: &str);

    /// These rows are not what they were.
    fn changed(&mut self, replica: &Replica, touched: &[Touched]);

    /// All rows that satisfy these conditions are in the replica; `None`: all rows
    /// there are, because the server is too old to be told conditions.
    fn covered(&mut self, _conditions: Option<&Conditions>) {}

    /// The number of the last question whether the replica is up to date.
    fn question(&mut self) -> u64 {
        0
    }

    /// All that the server committed before that question is in the replica.
    fn up_to_date(&mut self, _question: u64) {}

    /// Operations to be carried out now, in one transaction.
    fn transaction(&mut self, _replica: &Replica, _now: Instant) -> Option<Vec<Value>> {
        None
    }

    fn transacted(&mut self, _outcome: Outcome) {}

    /// When [`transaction`](Self::transaction) is to be asked at the latest.
    fn wake_at(&self) -> Option<Instant> {
        None
    }
}
