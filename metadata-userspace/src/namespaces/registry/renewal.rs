//! Sockets after the end of a worker that had them too.

use super::Registry;
use crate::namespaces::listener;
use crate::supervisor::adoption::Found;

impl Registry {
    /// Has every proxy socket listen as it did before a worker had it; tells whether one had
    /// been ended.
    pub fn renew_sockets(&mut self) -> bool {
        let mut had_ended = false;
        let backlog = self.settings.backlog;
        for entry in self.entries.iter() {
            let netns = entry.namespace.id().inode;
            for socket in entry.listeners.iter().map(|open| &open.socket) {
                match listener::adopt(socket, backlog, netns) {
                    Ok(Found::Listening) => {}
                    Ok(Found::Ended) => {
                        tracing::error!(netns, "a worker had ended a socket; it listens again");
                        // Who keeps sockets drops those that end.
                        self.unkept.push(socket.clone());
                        had_ended = true;
                    }
                    Err(error) => tracing::error!(
                        netns, %error,
                        "cannot listen any more; restart the daemon if guests are refused there"
                    ),
                }
            }
        }
        had_ended
    }
}
