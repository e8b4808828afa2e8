//! Sockets of an earlier configuration that workers of before serve until they have left.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::time::Instant;

use super::inherited::end_listening;
use super::predecessor::LEAVES_WITHIN;

/// They listen on, and are handed on: the next daemon may want them again.
#[derive(Debug, Default)]
pub struct Retired {
    sockets: Vec<(&'static str, OwnedFd)>,
    /// When those workers have left.
    due: Option<Instant>,
}

impl Retired {
    /// One that was left under this name.
    pub fn add(&mut self, name: &'static str, socket: OwnedFd) {
        self.sockets.push((name, socket));
    }

    pub fn sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        self.sockets.iter().map(|(_, socket)| socket)
    }

    /// With the names under which they are left.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        let sockets = self.sockets.iter();
        sockets.map(|(name, socket)| (*name, socket.as_fd()))
    }

    /// Those who serve them are told to leave.
    pub fn relieve(&mut self) {
        self.due.get_or_insert(Instant::now() + LEAVES_WITHIN);
    }

    /// When they are to be ended.
    pub fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.sockets.is_empty())
    }

    /// Also for the service manager, which keeps them.
    pub fn end(&mut self) {
        self.sockets().for_each(end_listening);
        self.sockets.clear();
    }
}
