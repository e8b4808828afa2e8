//! The shims of one namespace: who says that it is served, the watch or they.

use crate::shim::door::{ShimId, ShimProcess};
use crate::shim::protocol::Registration;

/// Who decides whether a namespace is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// No shim was ever there: what the kernel shows of the namespace.
    Watch,
    /// A shim lives: it is served.
    Shim,
    /// One lived when the daemon before this one ended: so it goes on, until that shim
    /// registers, or does not.
    Awaited,
    /// The last one was ended: it is not, until another comes.
    Released,
}

/// Those that live, in the order in which they came. The last one's word holds: an
/// agent that starts a proxy anew may not have seen the old one end yet, and two agents
/// may each start one for the same router (LP 1703059).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepers {
    alive: Vec<ShimProcess>,
    had_one: bool,
    /// What the one wanted that has not registered with this daemon yet. Hosts without
    /// shims have thousands of these, hence the box.
    awaited: Option<Box<Registration>>,
}

impl Keepers {
    /// Those of a namespace whose last one ended under an earlier daemon.
    pub fn ended() -> Self {
        Self {
            had_one: true,
            ..Self::default()
        }
    }

    /// Those of a namespace whose last one, as far as is known, lives.
    pub fn awaiting(registration: Registration) -> Self {
        Self {
            awaited: Some(Box::new(registration)),
            ..Self::ended()
        }
    }

    pub fn add(&mut self, shim: ShimProcess) {
        self.had_one = true;
        self.awaited = None;
        self.alive.push(shim);
    }

    /// The awaited one has ended.
    pub fn miss(&mut self) {
        self.awaited = None;
    }

    /// Forgets a shim that ended.
    pub fn remove(&mut self, id: ShimId) {
        self.alive.retain(|shim| shim.id != id);
    }

    pub fn ids(&self) -> impl Iterator<Item = ShimId> {
        self.alive.iter().map(|shim| shim.id)
    }

    /// The word that holds.
    pub fn word(&self) -> Option<&Registration> {
        let latest = self.alive.last().map(|shim| &shim.registration);
        latest.or(self.awaited.as_deref())
    }

    pub fn hold(&self) -> Hold {
        if !self.alive.is_empty() {
            Hold::Shim
        } else if self.awaited.is_some() {
            Hold::Awaited
        } else if self.had_one {
            Hold::Released
        } else {
            Hold::Watch
        }
    }

    /// Their process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.alive.iter().map(|shim| shim.pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Realm;
    use crate::namespaces::role::Kind;
    use crate::shim::protocol::VERSION;

    /// Of the router that has its number.
    fn shim(id: ShimId) -> ShimProcess {
        ShimProcess {
            id,
            pid: 100,
            registration: Registration {
                version: VERSION,
                kind: Kind::Router,
                realm: Realm::Router(id.to_string()),
                limits: None,
            },
        }
    }

    fn word(keepers: &Keepers) -> Option<String> {
        Some(keepers.word()?.realm.to_string())
    }

    #[test]
    fn the_latest_that_lives_has_the_word() {
        let mut keepers = Keepers::default();
        assert_eq!(keepers.hold(), Hold::Watch);
        keepers.add(shim(1));
        keepers.add(shim(2));
        assert_eq!(word(&keepers).as_deref(), Some("router 2"));
        keepers.remove(1);
        assert_eq!(word(&keepers).as_deref(), Some("router 2"));
        keepers.add(shim(3));
        keepers.remove(3);
        assert_eq!(word(&keepers).as_deref(), Some("router 2"));
        keepers.remove(2);
        assert_eq!((word(&keepers), keepers.hold()), (None, Hold::Released));
        keepers.add(shim(4));
        assert_eq!(keepers.hold(), Hold::Shim);
    }

    #[test]
    fn an_awaited_one_has_the_word_until_another_comes_or_it_is_missed() {
        let awaiting = || Keepers::awaiting(shim(1).registration);
        let mut keepers = awaiting();
        assert_eq!(word(&keepers).as_deref(), Some("router 1"));
        assert_eq!((keepers.hold(), keepers.pids()), (Hold::Awaited, vec![]));
        keepers.add(shim(2));
        assert_eq!(word(&keepers).as_deref(), Some("router 2"));
        keepers.remove(2);
        assert_eq!((word(&keepers), keepers.hold()), (None, Hold::Released));
        let mut keepers = awaiting();
        keepers.miss();
        assert_eq!((word(&keepers), keepers.hold()), (None, Hold::Released));
    }
}
