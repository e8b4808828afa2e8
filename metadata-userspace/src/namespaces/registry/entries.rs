//! What is known of each namespace, found by any of the names that events give it: none
//! has all of them searched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::super::keepers::Keepers;
use super::super::plan::Door;
use super::super::retiring::Retiring;
use super::super::served::ServedNamespace;
use crate::netns::NetnsId;
use crate::shim::door::{ShimId, ShimProcess};
use crate::supervisor::orders::{ListenerId, ListenerRole};

pub(super) struct Entry {
    pub(super) namespace: ServedNamespace,
    pub(super) listeners: BTreeMap<Door, OpenSocket>,
    pub(super) retiring: Retiring,
    pub(super) keepers: Keepers,
}

/// A proxy socket, under the number by which the worker knows it.
#[derive(Clone)]
pub(super) struct OpenSocket {
    pub(super) id: ListenerId,
    pub(super) socket: Rc<OwnedFd>,
}

impl Entry {
    pub(super) fn new(namespace: ServedNamespace, keepers: Keepers) -> Self {
        Self {
            namespace,
            listeners: BTreeMap::new(),
            retiring: Retiring::default(),
            keepers,
        }
    }

    pub(super) fn role_of_listeners(&self, name: &str) -> ListenerRole {
        let shim = self.keepers.first().map(|shim| &shim.registration);
        ListenerRole::Proxy {
            namespace: name.to_owned(),
            realm: self.namespace.role().realm.clone(),
            limits: shim.and_then(|registration| registration.limits.clone()),
        }
    }
}

/// All of them, by name.
#[derive(Default)]
pub(super) struct Entries {
    known: BTreeMap<String, Entry>,
    names: HashMap<NetnsId, String>,
    shims: HashMap<ShimId, NetnsId>,
    /// Names of those that have a problem.
    failed: BTreeSet<String>,
}

impl Entries {
    pub(super) fn insert(&mut self, name: String, entry: Entry) {
        let id = entry.namespace.id();
        let shims = entry.keepers.ids();
        self.shims.extend(shims.map(|shim| (shim, id)));
        self.names.insert(id, name.clone());
        self.known.insert(name.clone(), entry);
        self.judge(&name);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.known.remove(name)?;
        let id = entry.namespace.id();
        if self.names.get(&id).is_some_and(|known| known == name) {
            self.names.remove(&id);
        }
        for shim in entry.keepers.ids() {
            self.shims.remove(&shim);
        }
        self.failed.remove(name);
        Some(entry)
    }

    /// Notes whether an entry has to be tried again.
    pub(super) fn judge(&mut self, name: &str) {
        let entry = self.known.get(name);
        match entry.is_some_and(|entry| entry.namespace.has_problem()) {
            true => drop(self.failed.insert(name.to_owned())),
            false => drop(self.failed.remove(name)),
        }
    }

    pub(super) fn add_keeper(&mut self, name: &str, shim: ShimProcess) {
        if let Some(entry) = self.known.get_mut(name) {
            self.shims.insert(shim.id, entry.namespace.id());
            entry.keepers.add(shim);
        }
    }

    /// Forgets a shim; returns the name of what it kept.
    pub(super) fn remove_keeper(&mut self, shim: ShimId) -> Option<String> {
        let id = self.shims.remove(&shim)?;
        let name = self.names.get(&id)?.clone();
        self.known.get_mut(&name)?.keepers.remove(shim);
        Some(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.known.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.known.get_mut(name)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    pub(super) fn name_of(&self, id: NetnsId) -> Option<&String> {
        self.names.get(&id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.known.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.known.values()
    }

    pub(super) fn failed(&self) -> &BTreeSet<String> {
        &self.failed
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
