//! The sockets that are open now, for the worker of today and tomorrow's.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::orders::{ListenerId, ListenerRole};

/// A listening socket and what it is for.
#[derive(Clone, Debug)]
pub struct Listener {
    pub role: Rc<ListenerRole>,
    pub socket: Rc<OwnedFd>,
}

/// All open listeners. Its order is the order in which they were opened.
#[derive(Debug, Default)]
pub struct Listeners(BTreeMap<ListenerId, Listener>);

impl Listeners {
    pub fn insert(&mut self, id: ListenerId, listener: Listener) {
        self.0.insert(id, listener);
    }

    /// Forgets a listener, which closes this process's copy of its socket.
    pub fn remove(&mut self, id: ListenerId) {
        self.0.remove(&id);
    }

    pub fn get(&self, id: ListenerId) -> Option<&Listener> {
        self.0.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ListenerId, &Listener)> {
        self.0.iter().map(|(&id, listener)| (id, listener))
    }
}
