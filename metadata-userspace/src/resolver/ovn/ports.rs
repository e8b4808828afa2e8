//! Answers by the index.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::index::Found;
use super::shared::{Shared, Standing};
use crate::identity::{Realm, Requester};
use crate::resolver::identifier::Ports;
use crate::resolver::identify::{Certainty, Sighting, is_known_by_mac, mac_to_find};
use crate::resolver::{Asking, ResolveError};

const NAME: &str = "ovn";

/// An index that had all until then is as new as one can ask for: no instance boots
/// within that time after it was given an address.
const FRESH: Duration = Duration::from_millis(200);
/// A server that takes longer to answer an echo does not hold up who is known.
const SLOW: Duration = Duration::from_millis(500);
/// How long a change or a connection is waited for at a time.
const WATCH: Duration = Duration::from_secs(1);

pub(super) struct OvnPorts {
    shared: Arc<Shared>,
}

impl OvnPorts {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn renew(&self, requester: &Requester) -> Result<(), ResolveError> {
        let Some(network) = network(&requester.realm) else {
            return Ok(());
        };
        if self.is_known(network, requester) {
            let late = |_| Err(unanswered(format!("no answer within {SLOW:?}")));
            return timeout(SLOW, self.update(network))
                .await
                .unwrap_or_else(late);
        }
        let changes = self.shared.index().changes(network);
        self.update(network).await?;
        if !self.is_known(network, requester) {
            self.watch(network, changes).await;
        }
        Ok(())
    }

    /// Returns when the index has all ports of the network that there were at the
    /// time of the call.
    async fn update(&self, network: Uuid) -> Result<(), ResolveError> {
        loop {
            let missing = self.shared.index().uncovered(network).unwrap_or_default();
            self.make_sure(self.shared.ask(missing)).await?;
            let uncovered = self.shared.index().uncovered(network);
            if uncovered.is_none_or(|missing| missing.is_empty()) {
                return Ok(());
            }
        }
    }

    /// Returns when the index has all that was committed before the question.
    async fn make_sure(&self, question: u64) -> Result<(), ResolveError> {
        let mut standing = self.shared.standing.subscribe();
        loop {
            let problem = {
                let done = |now: &Standing| now.answered >= question || now.problem.is_some();
                let now = standing.wait_for(done).await;
                now.ok().and_then(|now| now.problem.clone())
            };
            let Some(reason) = problem else {
                return Ok(());
            };
            let connected = standing.wait_for(|now| now.problem.is_none());
            if timeout(WATCH, connected).await.is_err() {
                return Err(unanswered(reason));
            }
        }
    }

    fn is_known(&self, network: Uuid, requester: &Requester) -> bool {
        let found = self.find(network, requester);
        match is_known_by_mac(requester, &found.by_address) {
            true => !found.by_mac.is_empty(),
            false => !found.by_address.is_empty(),
        }
    }

    fn find(&self, network: Uuid, requester: &Requester) -> Found {
        let address = requester.address.to_canonical();
        self.shared
            .index()
            .find(network, address, mac_to_find(requester))
    }

    /// Returns when a port of the network changed, or after a while.
    async fn watch(&self, network: Uuid, before: u64) {
        let mut standing = self.shared.standing.subscribe();
        let changed = async {
            while self.shared.index().changes(network) == before {
                if standing.changed().await.is_err() {
                    break;
                }
            }
        };
        // What did not come may come later.
        let _ = timeout(WATCH, changed).await;
    }
}

fn unanswered(reason: String) -> ResolveError {
    ResolveError {
        source_name: NAME,
        reason,
    }
}

fn network(realm: &Realm) -> Option<Uuid> {
    match realm {
        Realm::Network(id) => Uuid::try_parse(id).ok(),
        // OVN's routers have no namespaces that a guest could ask through.
        Realm::Router(_) => None,
    }
}

fn certainty(standing: &Standing, requester: &Requester) -> Certainty {
    let fresh = standing.as_of.is_some_and(|as_of| as_of.elapsed() < FRESH);
    match requester.mac {
        // Nothing but the address speaks for the port, so the index must not lag.
        None if fresh && standing.problem.is_none() => Certainty::Sure,
        _ => Certainty::Current,
    }
}

fn failing(standing: &Standing) -> bool {
    let slow = |since: Instant| since.elapsed() > SLOW;
    standing.problem.is_some() || standing.waiting_since.is_some_and(slow)
}

impl Ports for OvnPorts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sight(&self, requester: &Requester) -> Option<Sighting> {
        let Some(network) = network(&requester.realm) else {
            return Some(Sighting {
                by_address: Vec::new(),
                by_mac: Vec::new(),
                certainty: Certainty::Sure,
                failing: false,
            });
        };
        let standing = self.shared.standing.borrow().clone();
        let uncovered = self.shared.index().uncovered(network);
        let known = match uncovered {
            // There is no such network, if anyone has said which there are.
            None => standing.answered > 0,
            Some(missing) => missing.is_empty(),
        };
        if !known {
            return None;
        }
        let found = self.find(network, requester);
        let certainty = match found.by_address.is_empty() && found.by_mac.is_empty() {
            true => Certainty::Current,
            false => certainty(&standing, requester),
        };
        Some(Sighting {
            by_address: found.by_address,
            by_mac: found.by_mac,
            certainty,
            failing: failing(&standing),
        })
    }

    fn renew<'a>(&'a self, requester: &'a Requester) -> Asking<'a, ()> {
        Box::pin(self.renew(requester))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
