//! All namespaces of the host, each brought to what it should be in its turn.

mod adoption;
mod delay;
mod departure;
mod entries;
mod leftovers;
mod renewal;
mod room;
mod sockets;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::keepers::{Hold, Keepers};
use super::left::LeftSockets;
use super::monitor::Monitor;
use super::plan::{Door, NameStep, name_step};
use super::role::Selection;
use super::served::{LAST_WORDS, Opened, Reconciled, ServedNamespace, Settings};
use super::watch::Change;
use crate::datapath::Datapath;
use crate::netns::{Netns, NetnsError, NetnsId};
use crate::status::NamespaceState;
use crate::supervisor::listeners::Listener;
use crate::supervisor::orders::{ListenerId, ListenerRole};
use crate::supervisor::worker_process::Command;
use delay::tell_if_long;
use departure::Leaving;
use entries::{Entries, Entry, OpenSocket};
use leftovers::Sweeping;
pub use room::Room;

/// After sockets were ended.
const A_MOMENT: Duration = Duration::from_millis(50);

/// Holds what is served and knows what has to be looked at again.
pub struct Registry {
    directory: PathBuf,
    selection: Selection,
    settings: Settings,
    entries: Entries,
    monitor: Rc<Monitor>,
    /// Names that have to be looked at.
    dirty: BTreeSet<String>,
    /// Names inside which something happened: they come after the others, which may not
    /// be served yet.
    stirred: BTreeSet<String>,
    /// Names whose namespace is not mounted yet.
    unmounted: BTreeSet<String>,
    /// Names whose namespace could not even be entered.
    unopened: BTreeSet<String>,
    /// Whether all namespaces were looked at.
    has_looked: bool,
    sweeping: Sweeping,
    leaving: Leaving,
    /// Names inside which something changed.
    changes: mpsc::UnboundedSender<String>,
    worker: mpsc::UnboundedSender<Command>,
    next_listener: ListenerId,
    /// Sockets that the service manager does not have, or not any more.
    unkept: Vec<Rc<OwnedFd>>,
}

impl Registry {
    /// Namespaces' names go to `changes` when something happens inside them;
    /// bring them back with [`Self::mark`].
    pub fn new(
        directory: PathBuf,
        selection: Selection,
        settings: Settings,
        monitor: Rc<Monitor>,
        changes: mpsc::UnboundedSender<String>,
        worker: mpsc::UnboundedSender<Command>,
        first_listener: ListenerId,
    ) -> Self {
        Self {
            directory,
            selection,
            settings,
            entries: Entries::default(),
            monitor,
            dirty: BTreeSet::new(),
            stirred: BTreeSet::new(),
            unmounted: BTreeSet::new(),
            unopened: BTreeSet::new(),
            has_looked: false,
            sweeping: Sweeping::default(),
            leaving: Leaving::default(),
            changes,
            worker,
            next_listener: first_listener,
            unkept: Vec::new(),
        }
    }

    pub fn datapath(&self) -> &Datapath {
        &self.settings.datapath
    }

    /// Notes what a change in the directory makes necessary.
    pub fn note(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Names(names) => names.into_iter().for_each(|name| self.mark_os(name)),
            Change::Mounts => self.dirty.append(&mut self.unmounted),
            Change::Everything => self.mark_all()?,
        }
        Ok(())
    }

    /// Everything has to be looked at: what is there and what was.
    pub fn mark_all(&mut self) -> io::Result<()> {
        self.dirty
            .extend(self.entries.names().map(|name| name.to_string()));
        for entry in std::fs::read_dir(&self.directory)? {
            self.mark_os(entry?.file_name());
        }
        Ok(())
    }

    /// Something happened inside a namespace.
    pub fn mark(&mut self, name: String) {
        self.stirred.insert(name);
    }

    fn mark_os(&mut self, name: OsString) {
        // Neutron's names are ASCII; others have no role.
        if let Ok(name) = name.into_string() {
            self.dirty.insert(name);
        }
    }

    /// Those that could not be served have to be tried again.
    pub fn mark_failed(&mut self) {
        self.dirty.extend(self.entries.failed().iter().cloned());
        self.dirty.append(&mut self.unopened);
    }

    pub fn has_failed(&self) -> bool {
        !self.unopened.is_empty() || !self.entries.failed().is_empty()
    }

    pub fn has_work(&self) -> bool {
        !self.has_looked || !self.dirty.is_empty() || !self.stirred.is_empty()
    }

    /// Whether all namespaces that there were at first have been looked at.
    pub fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Looks at one namespace and brings it to what it should be.
    pub fn work(&mut self) {
        let next = self.dirty.pop_first();
        if let Some(name) = next.or_else(|| self.stirred.pop_first()) {
            // One look sees all that happened before.
            self.stirred.remove(&name);
            let began = Instant::now();
            self.settle(&name);
            tell_if_long(&name, began.elapsed());
        }
        if self.dirty.is_empty() && !self.has_looked {
            self.has_looked = true;
            self.begin_to_hear();
        }
        self.sweep();
    }

    /// What happened until now was not heard.
    fn begin_to_hear(&mut self) {
        if let Err(error) = self.monitor.begin() {
            tracing::error!(%error, "changes inside namespaces are not seen");
        }
        let all = self.entries.names().map(|name| name.to_string());
        self.stirred.extend(all);
    }

    /// What the daemon before this one left, and no namespace has wanted so far.
    pub fn left(&mut self) -> &mut LeftSockets {
        &mut self.settings.left
    }

    /// How many namespaces there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn states(&self) -> Vec<NamespaceState> {
        self.entries
            .iter()
            .map(|entry| NamespaceState {
                shims: entry.keepers.pids(),
                ..entry.namespace.state(self.settings.config.proxy_port)
            })
            .collect()
    }

    fn settle(&mut self, name: &str) {
        let role = self.selection.role_of(name);
        if role.is_none() && !self.entries.contains(name) {
            return;
        }
        let present = match self.open(name) {
            Ok(present) => present,
            // What cannot be seen is not gone.
            Err(error) => return self.report_unopened(name, &error),
        };
        if let Some(netns) = &present {
            self.find_renamed(name, netns.id());
        }
        let entry = self.entries.get(name);
        let served = entry.map(|entry| entry.namespace.id());
        let hold = entry.map(|entry| entry.keepers.hold());
        let step = name_step(present.as_ref().map(Netns::id), served);
        match (step, hold) {
            // As haproxy would, it goes on without its name.
            (NameStep::Stop | NameStep::Replace, Some(Hold::Shim)) => self.forget_name(name),
            // It has none, and is let go when nothing is left to do in it.
            (NameStep::Stop, Some(Hold::Released)) if adoption::is_unnamed(name) => {}
            (NameStep::Stop | NameStep::Replace, _) => self.stop(name),
            (NameStep::Keep | NameStep::Start, _) => {}
        }
        if let (NameStep::Start | NameStep::Replace, Some(netns), Some(role)) =
            (step, present, role)
        {
            let mut namespace = ServedNamespace::new(name.into(), role, netns);
            match self.settings.keepers_left_to(&mut namespace) {
                Ok(keepers) => self.start(namespace, keepers),
                Err(error) => return self.report_unopened(name, &error),
            }
        }
        self.reconcile(name);
    }

    /// Keeps an entry under a name of ours.
    fn forget_name(&mut self, name: &str) {
        if let Some(id) = self.entries.get(name).map(|entry| entry.namespace.id()) {
            self.rename(name, &adoption::unnamed(id));
        }
    }

    /// A namespace that a shim registered may get its name later, or another.
    fn find_renamed(&mut self, name: &str, id: NetnsId) {
        let known = self.entries.name_of(id).cloned();
        if let (Some(known), false) = (known, self.entries.contains(name)) {
            self.rename(&known, name);
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let Some(mut entry) = self.remove(from) {
            let to: Rc<str> = to.into();
            entry.namespace.rename(to.clone());
            self.insert(to, entry);
        }
    }

    fn insert(&mut self, name: Rc<str>, entry: Box<Entry>) {
        self.entries.insert(name, entry);
        self.settings.room.heed(self.entries.len());
    }

    fn remove(&mut self, name: &str) -> Option<Box<Entry>> {
        let entry = self.entries.remove(name)?;
        self.settings.room.heed(self.entries.len());
        Some(entry)
    }

    fn open(&mut self, name: &str) -> Result<Option<Netns>, NetnsError> {
        self.unmounted.remove(name);
        match Netns::open(&self.directory.join(name)) {
            Err(NetnsError::NotMounted(_)) => {
                self.unmounted.insert(name.to_owned());
                Ok(None)
            }
            Err(NetnsError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    fn report_unopened(&mut self, name: &str, error: &dyn std::error::Error) {
        tracing::error!(namespace = name, %error, "cannot be served; trying again");
        self.unopened.insert(name.to_owned());
    }

    fn start(&mut self, namespace: ServedNamespace, keepers: Keepers) {
        self.leaving.stay(namespace.id());
        self.insert(namespace.name(), Box::new(Entry::new(namespace, keepers)));
    }

    fn reconcile(&mut self, name: &str) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let (settings, retiring) = (&mut self.settings, &mut entry.retiring);
        let done = entry.namespace.reconcile(settings, retiring, &self.monitor);
        if done.interfaces_changed {
            let realm = entry.namespace.role().realm.clone();
            let _ = self.worker.send(Command::RealmChanged { realm });
        }
        self.entries.judge(name);
        self.pass_on(name, done);
        self.let_go(name);
    }

    /// Tells the worker which sockets came and which went.
    fn pass_on(&mut self, name: &str, done: Reconciled) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let mut retired = Vec::new();
        for door in done.closed {
            if let Some(OpenSocket { id, socket }) = entry.listeners.remove(door) {
                if door == Door::Ipv4 {
                    entry.namespace.keep_by_itself();
                }
                entry.retiring.add(door, socket);
                retired.push(id);
            }
        }
        let mut opened = Vec::new();
        for Opened {
            door,
            socket,
            was_left,
        } in done.opened
        {
            let socket = OpenSocket {
                id: self.next_listener,
                socket: Rc::new(socket),
            };
            if door == Door::Ipv4 {
                entry.namespace.keep_by(socket.socket.clone());
            }
            if !was_left {
                self.unkept.push(socket.socket.clone());
            }
            self.next_listener += 1;
            entry.listeners.add(door, socket.clone());
            opened.push(socket);
        }
        let role = (!opened.is_empty()).then(|| entry.role_of_listeners(name));
        // For what stays until running connections have ended.
        let until_connections_end = (!retired.is_empty()).then_some(LAST_WORDS + A_MOMENT);
        for after in until_connections_end.into_iter().chain(done.look_again) {
            self.look_again(name.to_owned(), after);
        }
        for id in retired {
            self.tell_worker(Command::Retire { id });
        }
        if let Some(role) = role {
            self.assign(opened, role);
        }
    }

    /// Tells the worker what sockets are for, be they new or not.
    fn assign(&self, sockets: Vec<OpenSocket>, role: ListenerRole) {
        let role = Rc::new(role);
        for OpenSocket { id, socket } in sockets {
            let role = role.clone();
            let listener = Listener { role, socket };
            self.tell_worker(Command::Open { id, listener });
        }
    }

    fn look_again(&self, name: String, after: Duration) {
        let changes = self.changes.clone();
        spawn_local(async move {
            tokio::time::sleep(after).await;
            // The receiver only goes when the whole supervisor does.
            let _ = changes.send(name);
        });
    }

    fn tell_worker(&self, command: Command) {
        // The receiver only goes when the whole supervisor does.
        let _ = self.worker.send(command);
    }
}
