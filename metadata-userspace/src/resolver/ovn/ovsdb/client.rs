//! Stays connected: server after server, as long as the daemon lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Failure;
use super::backoff::Backoff;
use super::connection::{self, UnixSockets};
use super::handshake::{Method, Monitored, Wish, shake};
use super::replica::Replica;
use super::server::Newest;
use super::session::{Kept, Limits, Session};
use super::watcher::{Conditions, Watcher};
use super::wire::Wire;
use crate::config::OvsdbRemote;
use crate::dependencies::Dependency;
use crate::upstream::TlsFiles;

/// How a database is reached.
pub struct Reach {
    /// What operators call the next.
    pub option: &'static str,
    /// Tried in turn, from any of them on.
    pub remotes: Vec<OvsdbRemote>,
    pub tls: TlsFiles,
    pub sockets: Arc<dyn UnixSockets>,
    /// For the answer to any request.
    pub patience: Duration,
    /// Silence after which a server is asked whether it is there.
    pub probe: Option<Duration>,
}

/// Keeps a watcher informed.
pub struct Client<W> {
    reach: Reach,
    watcher: W,
    /// Wakes the session when the watcher wants something.
    woken: Arc<Notify>,
    dependency: Dependency,
    replica: Replica,
    newest: Newest,
    last_id: Option<String>,
    acked: Arc<Conditions>,
}

impl<W: Watcher> Client<W> {
    pub fn new(reach: Reach, watcher: W, woken: Arc<Notify>, dependency: Dependency) -> Self {
        Self {
            reach,
            watcher,
            woken,
            dependency,
            replica: Replica::default(),
            newest: Newest::default(),
            last_id: None,
            acked: Arc::default(),
        }
    }

    /// Never ends. `first` says which of the servers to begin with, so that many
    /// hosts do not all ask the same one.
    pub async fn run(mut self, first: usize) {
        let remotes = self.reach.remotes.clone();
        let mut backoff = Backoff::default();
        let mut failed_in_turn = 0;
        for remote in remotes.iter().cycle().skip(first % remotes.len().max(1)) {
            let (failure, was_connected) = self.session(remote).await;
            let reason = format!("{remote} in {}: {failure}", self.reach.option);
            self.dependency.down(&reason);
            self.watcher.disconnected(&reason);
            tracing::debug!(database = self.watcher.database(), %reason, "no connection");
            failed_in_turn += 1;
            if was_connected {
                backoff.reset();
                failed_in_turn = 0;
            }
            if was_connected || failed_in_turn >= remotes.len() {
                failed_in_turn = 0;
                // If all lag behind, the cluster was restored from a backup.
                self.newest = Newest::default();
                sleep(backoff.next()).await;
            }
        }
    }

    /// One connection, from its beginning to its end; true if it was of use.
    async fn session(&mut self, remote: &OvsdbRemote) -> (Failure, bool) {
        let (wire, monitored) = match self.connect(remote).await {
            Ok(connected) => connected,
            Err(failure) => return (failure, false),
        };
        self.begin(&monitored);
        let limits = Limits {
            patience: self.reach.patience,
            probe: self.reach.probe,
        };
        let kept = Kept {
            watcher: &mut self.watcher,
            replica: &mut self.replica,
            newest: &mut self.newest,
            last_id: &mut self.last_id,
            acked: &mut self.acked,
        };
        let mut session = Session::new(wire, kept, monitored.server, monitored.method, limits);
        (session.run(&self.woken).await, true)
    }

    async fn connect(&mut self, remote: &OvsdbRemote) -> Result<(Wire, Monitored), Failure> {
        let stream = connection::open(remote, &self.reach.tls, &self.reach.sockets).await?;
        let mut wire = Wire::new(stream);
        let conditions = self.watcher.conditions();
        if conditions != self.acked {
            self.last_id = None;
        }
        let wish = Wish {
            database: self.watcher.database(),
            tables: self.watcher.tables(),
            conditions: &conditions,
            last_id: self.last_id.as_deref(),
            patience: self.reach.patience,
        };
        let (newest, replica) = (&mut self.newest, &mut self.replica);
        let mut touched = Vec::new();
        let limit = self.reach.patience;
        let shaking = shake(&mut wire, &wish, newest, replica, &mut touched);
        let late = Failure::Late {
            what: "with the rows",
            limit,
        };
        let shaken = timeout(limit, shaking).await.unwrap_or(Err(late));
        self.watcher.changed(&self.replica, &touched);
        self.last_id = match &shaken {
            Ok(monitored) => monitored.last_id.clone(),
            // What was applied of its answer is not in the old transaction.
            Err(_) if !touched.is_empty() => None,
            Err(_) => self.last_id.take(),
        };
        self.acked = conditions;
        Ok((wire, shaken?))
    }

    fn begin(&mut self, monitored: &Monitored) {
        match monitored.method {
            Method::Plain => self.watcher.covered(None),
            _ => self.watcher.covered(Some(&self.acked)),
        }
        self.watcher.connected();
        self.dependency.up();
    }
}
