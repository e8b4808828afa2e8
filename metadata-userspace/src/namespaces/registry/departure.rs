//! Namespaces that are not served any more.

use std::collections::HashMap;

use tokio::task::{AbortHandle, spawn_local};

use super::Registry;
use super::entries::{Entry, OpenSocket};
use crate::namespaces::keepers::Hold;
use crate::netns::NetnsId;
use crate::supervisor::inherited::end_listening;
use crate::supervisor::worker_process::Command;

/// What is about to be cleared of all that is ours.
#[derive(Default)]
pub(super) struct Leaving(HashMap<NetnsId, AbortHandle>);

impl Leaving {
    fn add(&mut self, id: NetnsId, task: AbortHandle) {
        self.0.retain(|_, task| !task.is_finished());
        self.0.insert(id, task);
    }

    /// The namespace is served again: it needs what is in it.
    pub(super) fn stay(&mut self, id: NetnsId) {
        if let Some(task) = self.0.remove(&id) {
            task.abort();
        }
    }
}

impl Registry {
    /// Gives up a namespace that lost its name.
    pub(super) fn stop(&mut self, name: &str) {
        let Some(entry) = self.forget(name) else {
            return;
        };
        for &OpenSocket { id, ref socket } in entry.listeners.iter() {
            self.tell_worker(Command::Close { id });
            end_listening(socket);
        }
        let id = entry.namespace.id();
        let task = spawn_local(entry.namespace.leave(self.settings.config.clone()));
        self.leaving.add(id, task.abort_handle());
    }

    /// Gives up a namespace that shims alone kept, once nothing of ours is left in it.
    pub(super) fn let_go(&mut self, name: &str) {
        let is_left = self.entries.get(name).is_some_and(|entry| {
            entry.keepers.hold() == Hold::Released
                && !entry.namespace.has_problem()
                && entry.listeners.iter().next().is_none()
                && !entry.retiring.are_open()
                && !self.is_watched(name, entry.namespace.id())
        });
        if is_left {
            self.forget(name);
            tracing::info!(namespace = name, "left");
        }
    }

    fn forget(&mut self, name: &str) -> Option<Box<Entry>> {
        let entry = self.remove(name)?;
        // Of others nothing is noted.
        if entry.keepers.hold() != Hold::Watch {
            match entry.namespace.cookie() {
                Ok(cookie) => self.settings.datapath.notes_mut().erase(cookie),
                Err(error) => tracing::debug!(%error, "cannot erase what is noted of it"),
            }
        }
        Some(entry)
    }
}
