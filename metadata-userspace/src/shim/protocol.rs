//! What a shim and the daemon say to each other: one message each way, then the
//! connection says that the shim lives.

use serde::{Deserialize, Serialize};

use super::order::ProxyOrder;
use crate::config::RateLimits;
use crate::identity::Realm;
use crate::namespaces::role::{Kind, Role};

/// Raised when a daemon must not take an older shim's word, or the other way round.
pub const VERSION: u32 = 1;

/// From the shim, with its network namespace as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub version: u32,
    pub kind: Kind,
    pub realm: Realm,
    pub limits: Option<RateLimits>,
}

impl Registration {
    pub fn of(order: &ProxyOrder) -> Self {
        Self {
            version: VERSION,
            kind: order.kind(),
            realm: order.realm.clone(),
            limits: order.limits.clone(),
        }
    }

    /// What its namespace is.
    pub fn role(&self) -> Role {
        Role {
            kind: self.kind,
            realm: self.realm.clone(),
        }
    }
}

/// From the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The listening socket is open.
    Serving,
    /// Registered, but not served yet; the daemon goes on trying.
    Pending(String),
    /// Not registered, and it would be no use to ask again at once.
    Refused(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_waiter_knows_the_usual_answer() {
        let serving = serde_json::to_vec(&Answer::Serving).unwrap();
        assert_eq!(serving, crate::shim::handover::SERVING);
    }
}
