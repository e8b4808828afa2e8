//! Sockets after the end of a worker that had them too.

use super::Registry;
use crate::namespaces::listener;
use crate::supervisor::adoption::Found;

impl Registry {
    /// Has every proxy socket listen as it did before the worker had it.
    pub fn renew_sockets(&mut self) {
        let backlog = self.settings.backlog;
        for entry in self.entries.iter() {
            let netns = entry.namespace.id().inode;
            for socket in entry.listeners.iter().map(|open| &open.socket) {
                match listener::adopt(socket, backlog, netns) {
                    Ok(Found::Listening) => {}
                    Ok(Found::Ended) => {
                        tracing::error!(netns, "the worker had ended a socket; it listens again");
                        // Who keeps sockets drops those that end.
                        self.unkept.push(socket.clone());
                    }
                    Err(error) => tracing::error!(
                        netns, %error,
                        "cannot listen any more; restart the daemon if guests are refused there"
                    ),
                }
            }
        }
    }
}
