//! Namespaces that a shim registers, wherever they are and whatever they are called.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Registry;
use crate::namespaces::keepers::{Hold, Keepers};
use crate::namespaces::plan::Door;
use crate::namespaces::served::ServedNamespace;
use crate::netns::{Netns, NetnsId};
use crate::shim::door::{ShimId, ShimProcess};
use crate::shim::protocol::{Answer, Registration};

impl Registry {
    /// Serves a namespace for as long as the shim lives. Its socket is open when this
    /// returns [`Answer::Serving`].
    pub fn adopt(&mut self, shim: ShimProcess, netns: Netns) -> Answer {
        let id = netns.id();
        if Netns::open(Path::new("/proc/self/ns/net")).is_ok_and(|home| home.id() == id) {
            return Answer::Refused("this is the host's own network namespace".to_owned());
        }
        let name = self.name_of(id, &shim.registration);
        // Its name may have been another namespace's a moment ago.
        self.settle(&name);
        if !self.entries.contains(&name) {
            let role = shim.registration.role();
            let namespace = ServedNamespace::new(name.as_str().into(), role, netns);
            self.start(namespace, Keepers::default());
        }
        tracing::info!(
            namespace = name,
            pid = shim.pid,
            realm = %shim.registration.realm,
            "kept by a shim"
        );
        self.entries.add_keeper(&name, shim);
        self.heed_keepers(&name);
        self.sweep();
        self.answer(&name)
    }

    /// The shim ended. When it was the namespace's last, that is not served any more.
    pub fn release(&mut self, id: ShimId) {
        let Some(name) = self.entries.remove_keeper(id) else {
            return;
        };
        let entry = self.entries.get(&name);
        if entry.is_some_and(|entry| entry.keepers.hold() == Hold::Released) {
            tracing::info!(namespace = &*name, "its last shim ended");
        }
        self.heed_keepers(&name);
    }

    /// The awaited shim of a namespace did not register.
    pub(super) fn miss(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.keepers.miss();
            tracing::info!(namespace = name, "its last shim ended while no daemon ran");
            self.heed_keepers(name);
        }
    }

    /// Whether a namespace is looked at for its name, shim or not.
    pub(super) fn is_watched(&self, name: &str, id: NetnsId) -> bool {
        self.selection.role_of(name).is_some() && id_of(&self.directory.join(name)) == Some(id)
    }

    /// Brings a namespace, and the sockets that it has, to what its shims say.
    fn heed_keepers(&mut self, name: &str) {
        let watched = self.selection.role_of(name);
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let before = entry.role_of_listeners(name);
        let role = entry.keepers.word().map(Registration::role).or(watched);
        entry.namespace.hold(entry.keepers.hold(), role);
        let after = entry.role_of_listeners(name);
        if before != after {
            let listeners = entry.listeners.iter().cloned().collect();
            self.assign(listeners, after);
        }
        self.note_shims(name);
        self.reconcile(name);
    }

    fn answer(&self, name: &str) -> Answer {
        let Some(entry) = self.entries.get(name) else {
            return Answer::Refused("the namespace went".to_owned());
        };
        match entry.namespace.problem() {
            None if entry.listeners.is_open(Door::Ipv4) => Answer::Serving,
            problem => Answer::Pending(problem.unwrap_or("no socket is open there").to_owned()),
        }
    }

    /// By which name a namespace is known. One without any gets one of ours, which no
    /// file can have.
    fn name_of(&self, id: NetnsId, registration: &Registration) -> String {
        if let Some(name) = self.entries.name_of(id) {
            return name.to_string();
        }
        let likely = registration.kind.namespace_of(&registration.realm);
        if id_of(&self.directory.join(&likely)) == Some(id) {
            return likely;
        }
        let files = std::fs::read_dir(&self.directory).into_iter().flatten();
        let mut named = files
            .flatten()
            .filter(|file| id_of(&file.path()) == Some(id));
        let name = named.find_map(|file| file.file_name().into_string().ok());
        name.unwrap_or_else(|| unnamed(id))
    }
}

/// What a namespace is called that has no name in the directory.
pub(super) fn unnamed(id: NetnsId) -> String {
    format!("net:[{}]", id.inode)
}

pub(super) fn is_unnamed(name: &str) -> bool {
    name.starts_with("net:[")
}

fn id_of(path: &Path) -> Option<NetnsId> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(NetnsId {
        inode: metadata.ino(),
        device: metadata.dev(),
    })
}
