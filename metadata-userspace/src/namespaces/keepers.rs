//! The shims of one namespace: who says that it is served, the watch or they.

use crate::shim::door::{ShimId, ShimProcess};

/// Who decides whether a namespace is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// No shim was ever there: what the kernel shows of the namespace.
    Watch,
    /// A shim lives: it is served.
    Shim,
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
}

impl Keepers {
    /// Those of a namespace whose last one ended under an earlier daemon.
    pub fn ended() -> Self {
        Self {
            alive: Vec::new(),
            had_one: true,
        }
    }

    pub fn add(&mut self, shim: ShimProcess) {
        self.had_one = true;
        self.alive.push(shim);
    }

    /// Forgets a shim that ended.
    pub fn remove(&mut self, id: ShimId) {
        self.alive.retain(|shim| shim.id != id);
    }

    pub fn ids(&self) -> impl Iterator<Item = ShimId> {
        self.alive.iter().map(|shim| shim.id)
    }

    /// The one whose word holds.
    pub fn first(&self) -> Option<&ShimProcess> {
        self.alive.last()
    }

    pub fn hold(&self) -> Hold {
        match (self.alive.is_empty(), self.had_one) {
            (false, _) => Hold::Shim,
            (true, true) => Hold::Released,
            (true, false) => Hold::Watch,
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
    use crate::shim::protocol::{Registration, VERSION};

    fn shim(id: ShimId) -> ShimProcess {
        ShimProcess {
            id,
            pid: 100,
            registration: Registration {
                version: VERSION,
                kind: Kind::Router,
                realm: Realm::Router("1".into()),
                limits: None,
            },
        }
    }

    #[test]
    fn the_latest_that_lives_has_the_word() {
        let mut keepers = Keepers::default();
        assert_eq!(keepers.hold(), Hold::Watch);
        keepers.add(shim(1));
        keepers.add(shim(2));
        assert_eq!(keepers.first().map(|shim| shim.id), Some(2));
        keepers.remove(1);
        assert_eq!(keepers.first().map(|shim| shim.id), Some(2));
        keepers.add(shim(3));
        keepers.remove(3);
        assert_eq!(keepers.first().map(|shim| shim.id), Some(2));
        keepers.remove(2);
        assert_eq!((keepers.first(), keepers.hold()), (None, Hold::Released));
        keepers.add(shim(4));
        assert_eq!(keepers.hold(), Hold::Shim);
    }
}
