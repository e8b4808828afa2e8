//! Guests' sockets, as far as others are to keep them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::Registry;

impl Registry {
    /// Every proxy socket that is open, those included that no namespace has wanted so far.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let entries = self.entries.iter();
        entries
            .flat_map(|entry| entry.listeners.iter().map(|open| open.socket.as_fd()))
            .chain(self.settings.left.iter())
    }

    /// How many were opened since [`Self::take_unkept`].
    pub fn unkept(&self) -> usize {
        self.unkept.len()
    }

    /// Those that were opened since the last time.
    pub fn take_unkept(&mut self) -> Vec<Rc<OwnedFd>> {
        std::mem::take(&mut self.unkept)
    }
}
