//! What is known of each namespace, found by any of the names that events give it: none
//! has all of them searched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::super::keepers::{Hold, Keepers};
use super::super::plan::Door;
use super::super::retiring::Retiring;
use super::super::served::ServedNamespace;
use crate::netns::NetnsId;
use crate::shim::door::{ShimId, ShimProcess};
use crate::supervisor::orders::{ListenerId, ListenerRole};

pub(super) struct Entry {
    pub(super) namespace: ServedNamespace,
    pub(super) listeners: Listening,
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
            listeners: Listening::default(),
            retiring: Retiring::default(),
            keepers,
        }
    }

    pub(super) fn role_of_listeners(&self, name: &str) -> ListenerRole {
        let word = self.keepers.word();
        ListenerRole::Proxy {
            namespace: name.to_owned(),
            realm: self.namespace.role().realm.clone(),
            limits: word.and_then(|registration| registration.limits.clone()),
        }
    }
}

/// The sockets of one namespace. They are two or three: a map would take four times as much.
#[derive(Default)]
pub(super) struct Listening(Vec<(Door, OpenSocket)>);

impl Listening {
    /// At a door where none is open.
    pub(super) fn add(&mut self, door: Door, socket: OpenSocket) {
        self.0.reserve_exact(1);
        self.0.push((door, socket));
    }

    pub(super) fn remove(&mut self, door: Door) -> Option<OpenSocket> {
        let place = self.0.iter().position(|(open, _)| *open == door)?;
        Some(self.0.remove(place).1)
    }

    pub(super) fn is_open(&self, door: Door) -> bool {
        self.0.iter().any(|(open, _)| *open == door)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OpenSocket> {
        self.0.iter().map(|(_, socket)| socket)
    }
}

/// All of them, by name. Maps are never full, hence the boxes.
#[derive(Default)]
pub(super) struct Entries {
    known: BTreeMap<Rc<str>, Box<Entry>>,
    names: HashMap<NetnsId, Rc<str>>,
    shims: HashMap<ShimId, NetnsId>,
    /// Names of those that have a problem.
    failed: BTreeSet<String>,
    /// Names of those whose shim has not registered with this daemon yet.
    awaiting: BTreeSet<String>,
}

impl Entries {
    pub(super) fn insert(&mut self, name: Rc<str>, entry: Box<Entry>) {
        let id = entry.namespace.id();
        let shims = entry.keepers.ids();
        self.shims.extend(shims.map(|shim| (shim, id)));
        self.names.insert(id, name.clone());
        self.known.insert(name.clone(), entry);
        self.judge(&name);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Box<Entry>> {
        let entry = self.known.remove(name)?;
        let id = entry.namespace.id();
        if self.names.get(&id).is_some_and(|known| **known == *name) {
            self.names.remove(&id);
        }
        for shim in entry.keepers.ids() {
            self.shims.remove(&shim);
        }
        self.failed.remove(name);
        self.awaiting.remove(name);
        Some(entry)
    }

    /// Notes whether an entry has to be tried again, and whether its shim is awaited.
    pub(super) fn judge(&mut self, name: &str) {
        let entry = self.known.get(name);
        let is_failed = entry.is_some_and(|entry| entry.namespace.has_problem());
        let is_awaiting = entry.is_some_and(|entry| entry.keepers.hold() == Hold::Awaited);
        has(&mut self.failed, name, is_failed);
        has(&mut self.awaiting, name, is_awaiting);
    }

    pub(super) fn add_keeper(&mut self, name: &str, shim: ShimProcess) {
        if let Some(entry) = self.known.get_mut(name) {
            self.shims.insert(shim.id, entry.namespace.id());
            entry.keepers.add(shim);
        }
    }

    /// Forgets a shim; returns the name of what it kept.
    pub(super) fn remove_keeper(&mut self, shim: ShimId) -> Option<Rc<str>> {
        let id = self.shims.remove(&shim)?;
        let name = self.names.get(&id)?.clone();
        self.known.get_mut(&name)?.keepers.remove(shim);
        Some(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.known.get(name).map(|entry| &**entry)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.known.get_mut(name).map(|entry| &mut **entry)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    pub(super) fn name_of(&self, id: NetnsId) -> Option<&Rc<str>> {
        self.names.get(&id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Rc<str>> {
        self.known.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.known.values().map(|entry| &**entry)
    }

    pub(super) fn failed(&self) -> &BTreeSet<String> {
        &self.failed
    }

    /// Whether a namespace is one of those.
    pub(super) fn has_failed_in(&self, namespace: NetnsId) -> bool {
        let name = self.names.get(&namespace);
        name.is_some_and(|name| self.failed.contains(&**name))
    }

    pub(super) fn awaiting(&self) -> &BTreeSet<String> {
        &self.awaiting
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

fn has(names: &mut BTreeSet<String>, name: &str, is_one: bool) {
    match is_one {
        true => drop(names.insert(name.to_owned())),
        false => drop(names.remove(name)),
    }
}
