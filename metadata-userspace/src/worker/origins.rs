//! What the sockets of one namespace share: a guest's limits hold for IPv4 and IPv6
//! together, and on all interfaces of a router.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::config::RateLimits;
use crate::identity::Realm;
use crate::proxy::Origin;

/// Sockets with other limits are others': the namespace was registered anew.
type Key = (Realm, String, Option<RateLimits>);

/// Origins of which a socket is served.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashMap<Key, Weak<Origin>>,
    /// At this size those that are gone are forgotten.
    sweep_at: usize,
}

impl Origins {
    /// The origin of a namespace's sockets; `namespace` is its name, `limits` are its
    /// guests'.
    pub(super) fn of(
        &mut self,
        realm: Realm,
        namespace: String,
        limits: Option<RateLimits>,
    ) -> Arc<Origin> {
        let key = (realm, namespace, limits);
        if let Some(origin) = self.known.get(&key).and_then(Weak::upgrade) {
            return origin;
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, origin| origin.strong_count() > 0);
            self.sweep_at = self.known.len() * 2 + 1;
        }
        let origin = Arc::new(Origin::new(key.0.clone(), key.1.as_str(), key.2.clone()));
        self.known.insert(key, Arc::downgrade(&origin));
        origin
    }
}
