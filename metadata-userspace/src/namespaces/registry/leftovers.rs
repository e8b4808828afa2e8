//! What earlier daemons left on the host: what they knew of shims, and pins that are
//! nobody's any more.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Registry;
use crate::namespaces::keepers::{Hold, Keepers};
use crate::namespaces::served::{ServedNamespace, Settings};
use crate::netns::NetnsError;
use crate::shim::protocol::{Registration, VERSION};

/// What the next daemon is to know of a namespace's shims.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Note {
    /// The last one ended.
    Released,
    /// One lives, and this is its word.
    Kept(Registration),
}

impl Note {
    fn keepers(self) -> Keepers {
        match self {
            Self::Released => Keepers::ended(),
            Self::Kept(registration) if registration.version == VERSION => {
                Keepers::awaiting(registration)
            }
            Self::Kept(_) => Keepers::default(),
        }
    }
}

/// How far the host is cleared of what nobody needs any more.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    /// Shims had their time to register.
    is_wait_over: bool,
    are_links_swept: bool,
    are_versions_swept: bool,
}

impl Settings {
    /// What earlier daemons knew of the shims of a namespace that is new to this one.
    pub(super) fn keepers_left_to(
        &mut self,
        namespace: &mut ServedNamespace,
    ) -> Result<Keepers, NetnsError> {
        let notes = self.datapath.notes_mut();
        // Most hosts have none, and asking takes a moment in each namespace.
        if !notes.are_left() {
            return Ok(Keepers::default());
        }
        let note = notes.take(namespace.cookie()?);
        let note = note.and_then(|text| serde_json::from_str::<Note>(&text).ok());
        let keepers = note.map(Note::keepers).unwrap_or_default();
        namespace.hold(keepers.hold(), keepers.word().map(Registration::role));
        Ok(keepers)
    }
}

impl Registry {
    /// Notes for daemons to come what the shims of a namespace want.
    pub(super) fn note_shims(&mut self, name: &str) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        let note = match (entry.keepers.hold(), entry.keepers.word()) {
            (Hold::Watch, _) => return,
            // Only the watch has to be kept from serving it.
            (Hold::Released, _) if !self.is_watched(name, entry.namespace.id()) => None,
            (_, Some(registration)) => Some(Note::Kept(registration.clone())),
            (_, None) => Some(Note::Released),
        };
        let text = note.and_then(|note| serde_json::to_string(&note).ok());
        let notes = self.settings.datapath.notes_mut();
        match (entry.namespace.cookie(), text) {
            (Ok(cookie), Some(text)) => notes.write(cookie, &text),
            (Ok(cookie), None) => notes.erase(cookie),
            (Err(error), _) => tracing::debug!(%error, "the next daemon will not know of it"),
        }
    }

    /// Whether a shim may still register whose namespace an earlier daemon served.
    pub fn awaits_shims(&self) -> bool {
        let (left, notes) = (&self.settings.left, self.settings.datapath.notes());
        !self.sweeping.is_wait_over
            && (!left.is_empty() || notes.are_left() || !self.entries.awaiting().is_empty())
    }

    /// Shims that have not registered until now have ended.
    pub fn stop_awaiting_shims(&mut self) {
        self.sweeping.is_wait_over = true;
        self.sweep();
    }

    /// Clears the host of what is kept for other namespaces and by other versions, once it
    /// is known that these are gone: what cannot be seen is not.
    pub(super) fn sweep(&mut self) {
        if self.sweeping.is_wait_over {
            let missed: Vec<_> = self.entries.awaiting().iter().cloned().collect();
            missed.iter().for_each(|name| self.miss(name));
        }
        let is_all_known = self.has_looked && self.dirty.is_empty() && self.unopened.is_empty();
        if !is_all_known || self.awaits_shims() {
            return;
        }
        self.end_left();
        if !self.sweeping.are_links_swept {
            self.sweeping.are_links_swept = true;
            self.sweep_links();
        }
        // Where nothing failed, this version's programs are in the place of the others'.
        if !self.sweeping.are_versions_swept && self.entries.failed().is_empty() {
            self.sweeping.are_versions_swept = true;
            if let Err(error) = self.settings.datapath.remove_other_versions() {
                tracing::warn!(%error, "cannot remove another version's pins");
            }
        }
    }

    /// Ends the sockets that are left of namespaces which are gone, or not to be served. Where
    /// one could not be served so far, the worker before goes on.
    fn end_left(&mut self) {
        let (left, entries) = (&mut self.settings.left, &self.entries);
        if left.is_empty() {
            return;
        }
        match left.end_unless(|namespace| entries.has_failed_in(namespace)) {
            0 => {}
            sockets => tracing::info!(sockets, "closed what an earlier daemon left open"),
        }
    }

    /// Takes away what is noted of other namespaces, and pinned for them.
    fn sweep_links(&mut self) {
        let namespaces = self.entries.iter().map(|entry| &entry.namespace);
        let live: HashSet<u64> = namespaces.map(|namespace| namespace.id().inode).collect();
        let datapath = &mut self.settings.datapath;
        datapath.notes_mut().erase_left();
        if let Err(error) = datapath.prune_links(&live) {
            tracing::warn!(%error, "cannot remove stale pins");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::identity::Realm;
    use crate::namespaces::role::Kind;

    #[test]
    fn the_word_of_another_version_is_not_taken() {
        let registration = |version| Registration {
            version,
            kind: Kind::Dhcp,
            realm: Realm::Router("1".into()),
            limits: None,
        };
        let hold = |note: Note| {
            let text = serde_json::to_string(&note).unwrap();
            let read: Note = serde_json::from_str(&text).unwrap();
            assert_eq!(read, note);
            read.keepers().hold()
        };
        assert_eq!(hold(Note::Released), Hold::Released);
        assert_eq!(hold(Note::Kept(registration(VERSION))), Hold::Awaited);
        assert_eq!(hold(Note::Kept(registration(VERSION + 1))), Hold::Watch);
    }
}
