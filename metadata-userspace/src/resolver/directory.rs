//! What a Neutron server said about ports, kept for a time.
//!
//! All ports of a realm are fetched at once: a thousand guests that boot together
//! cost Neutron a handful of calls.

mod realm;
mod rounds;
mod snapshot;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Asking;
use super::identifier::Ports;
use super::identify::Sighting;
use super::source::PortSource;
use crate::identity::{Realm, Requester};
use realm::RealmPorts;

/// Realms that nobody asked from for this long are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// [`Ports`] over a [`PortSource`].
pub struct Directory {
    source: Arc<dyn PortSource>,
    lifetime: Duration,
    /// Where Neutron is asked: not on the threads that serve guests.
    runtime: Handle,
    realms: RwLock<HashMap<Realm, Arc<RealmPorts>>>,
}

impl Directory {
    /// `lifetime` is how long an answer of Neutron's is believed.
    pub fn new(source: Arc<dyn PortSource>, lifetime: Duration, runtime: Handle) -> Self {
        Self {
            source,
            lifetime,
            runtime,
            realms: RwLock::default(),
        }
    }

    fn realm(&self, realm: &Realm) -> Option<Arc<RealmPorts>> {
        let realms = self.realms.read().unwrap_or_else(PoisonError::into_inner);
        realms.get(realm).cloned()
    }

    fn realm_or_new(&self, realm: &Realm) -> Arc<RealmPorts> {
        if let Some(known) = self.realm(realm) {
            return known;
        }
        let mut realms = self.realms.write().unwrap_or_else(PoisonError::into_inner);
        realms.retain(|_, realm| realm.idle() < FORGOTTEN_AFTER);
        let new = || {
            Arc::new(RealmPorts::new(
                realm.clone(),
                self.source.clone(),
                self.lifetime,
                self.runtime.clone(),
            ))
        };
        realms.entry(realm.clone()).or_insert_with(new).clone()
    }
}

impl Ports for Directory {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn sight(&self, requester: &Requester) -> Option<Sighting> {
        self.realm(&requester.realm)?.sight(requester)
    }

    fn renew<'a>(&'a self, requester: &'a Requester) -> Asking<'a, ()> {
        let realm = self.realm_or_new(&requester.realm);
        Box::pin(async move { realm.renew(requester).await })
    }

    fn distrust(&self, realm: &Realm) {
        if let Some(realm) = self.realm(realm) {
            realm.distrust();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
