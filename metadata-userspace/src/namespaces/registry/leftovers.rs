//! What earlier daemons left on the host: knowledge of shims that ended, and pins that are
//! nobody's any more.

use std::collections::HashSet;

use super::Registry;
use crate::namespaces::keepers::{Hold, Keepers};
use crate::namespaces::served::{ServedNamespace, Settings};

impl Settings {
    /// What earlier daemons knew of the shims of a namespace that is new to this one.
    pub(super) fn keepers_left_to(&mut self, namespace: &mut ServedNamespace) -> Keepers {
        let released = self.datapath.released();
        // Most hosts have none, and asking takes a moment in each namespace.
        if released.is_empty() || !namespace.cookie().is_ok_and(|cookie| released.has(cookie)) {
            return Keepers::default();
        }
        let keepers = Keepers::ended();
        namespace.hold(keepers.hold(), None);
        keepers
    }
}

impl Registry {
    /// Notes for daemons to come whether the last shim of a namespace has ended.
    pub(super) fn note_released(&mut self, name: &str) {
        let released = self.settings.datapath.released();
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        let is_released = entry.keepers.hold() == Hold::Released;
        if released.is_empty() && !is_released {
            return;
        }
        match entry.namespace.cookie() {
            Ok(cookie) if is_released => released.mark(cookie),
            Ok(cookie) => released.unmark(cookie),
            Err(error) => tracing::debug!(%error, "the next daemon will not know of it"),
        }
    }

    /// Everything was seen once: what is kept for other namespaces and by other versions
    /// is stale.
    pub(super) fn prune(&mut self) {
        let namespaces = || self.entries.iter().map(|entry| &entry.namespace);
        let datapath = &mut self.settings.datapath;
        if !datapath.released().is_empty() {
            let live = namespaces().filter_map(|namespace| namespace.cookie().ok());
            datapath.released().keep_only(&live.collect());
        }
        let live: HashSet<u64> = namespaces().map(|namespace| namespace.id().inode).collect();
        let pruned = datapath.prune_links(&live);
        if let Err(error) = pruned.and_then(|()| datapath.remove_other_versions()) {
            tracing::warn!(%error, "cannot remove stale pins");
        }
    }
}
