//! What the sockets of one namespace share: a guest's limits hold for IPv4 and IPv6
//! together, and on all interfaces of a router.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::config::RateLimits;
use crate::identity::Realm;
use crate::proxy::Origin;

/// Origins of which a socket is served, by the names of their namespaces.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashMap<Arc<str>, Weak<Origin>>,
    /// At this size those that are gone are forgotten.
    sweep_at: usize,
}

impl Origins {
    /// The origin of a namespace's sockets; `namespace` is its name, `limits` are its
    /// guests'. Sockets of another realm or with other limits are others': the namespace
    /// was registered anew.
    pub(super) fn of(
        &mut self,
        realm: Realm,
        namespace: String,
        limits: Option<RateLimits>,
    ) -> Arc<Origin> {
        let known = self.known.get(&*namespace).and_then(Weak::upgrade);
        if let Some(origin) = known.filter(|origin| origin.is_of(&realm, limits.as_ref())) {
            return origin;
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, origin| origin.strong_count() > 0);
            self.sweep_at = self.known.len() * 2 + 1;
        }
        let namespace: Arc<str> = namespace.into();
        let origin = Arc::new(Origin::new(realm, namespace.clone(), limits));
        self.known.insert(namespace, Arc::downgrade(&origin));
        origin
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::RateWindow;

    fn limits() -> RateLimits {
        let window = RateWindow {
            duration: Duration::from_secs(10),
            requests: 5,
        };
        RateLimits {
            ipv4: true,
            ipv6: true,
            base: window,
            burst: window,
        }
    }

    #[test]
    fn sockets_of_a_namespace_share_until_it_is_anothers_or_has_other_limits() {
        let mut origins = Origins::default();
        let mut of = |realm: &str, limits| {
            origins.of(Realm::Router(realm.to_owned()), "qrouter-1".into(), limits)
        };
        let first = of("1", None);
        assert!(Arc::ptr_eq(&first, &of("1", None)));
        let limited = of("1", Some(limits()));
        assert!(!Arc::ptr_eq(&first, &limited));
        assert!(Arc::ptr_eq(&limited, &of("1", Some(limits()))));
        let anothers = of("2", Some(limits()));
        assert!(!Arc::ptr_eq(&limited, &anothers));
    }
}
