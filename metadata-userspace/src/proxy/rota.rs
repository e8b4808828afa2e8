//! Which thread accepts: one at a time, as the workers of nginx do with its `accept_mutex`.
//!
//! If all threads waited, each connection would wake all of them, and whichever is awake
//! already would get nearly all connections. The kernel cannot choose one thread:
//! `EPOLLEXCLUSIVE` has no effect where a set is in other sets (`ep_poll_callback`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// As many connections more than another thread has the one that accepts at most. With a
/// single guest nothing changes hands, so that it finds its thread's memory warm.
const AHEAD: usize = 2;

/// The threads that take turns.
pub(super) struct Rota {
    /// All listeners.
    set: Arc<Epoll>,
    doors: Mutex<Vec<Arc<Door>>>,
}

/// Where one thread hears of the set, while it is open.
struct Door {
    epoll: Epoll,
    is_open: AtomicBool,
    connections: AtomicUsize,
}

/// One thread's part. Dropped, it leaves accepting to others.
pub(super) struct Duty<'a> {
    rota: &'a Rota,
    door: Arc<Door>,
}

impl Rota {
    pub(super) fn new(set: &Arc<Epoll>) -> Self {
        Self {
            set: Arc::clone(set),
            doors: Mutex::default(),
        }
    }

    /// For one more thread.
    pub(super) fn join(&self) -> io::Result<Duty<'_>> {
        let door = Arc::new(Door::shut(&self.set)?);
        let mut doors = self.lock();
        if doors.is_empty() {
            door.open(&self.set)?;
        }
        doors.push(Arc::clone(&door));
        Ok(Duty { rota: self, door })
    }

    /// Has the right thread accept.
    fn choose(&self, doors: MutexGuard<'_, Vec<Arc<Door>>>) -> io::Result<()> {
        let Some(now) = doors.iter().find(|door| door.is_open()) else {
            return Ok(());
        };
        let connections = doors.iter().map(|door| door.connections());
        let next = successor(connections, now.connections());
        let Some(next) = next.and_then(|index| doors.get(index)).cloned() else {
            return Ok(());
        };
        now.close(&self.set)?;
        next.is_open.store(true, Ordering::Release);
        // Who is woken often runs in the place of who wakes it, and would find this locked.
        drop(doors);
        next.listen(&self.set)?;
        if next.is_open() {
            return Ok(());
        }
        // Another has closed it meanwhile, perhaps before it listened.
        let _doors = self.lock();
        match next.is_open() {
            true => Ok(()),
            false => next.close(&self.set),
        }
    }

    fn leave(&self, door: &Arc<Door>) -> io::Result<()> {
        let mut doors = self.lock();
        doors.retain(|other| !Arc::ptr_eq(other, door));
        match doors.iter().min_by_key(|door| door.connections()) {
            Some(next) if door.is_open() => {
                door.close(&self.set)?;
                next.open(&self.set)
            }
            _ => Ok(()),
        }
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> Vec<usize> {
        self.lock().iter().map(|door| door.connections()).collect()
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Vec<Arc<Door>>>> {
        match self.doors.try_lock() {
            Ok(doors) => Some(doors),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is to accept instead of a thread that has so many connections, if anybody.
fn successor(connections: impl Iterator<Item = usize>, accepting: usize) -> Option<usize> {
    let (index, fewest) = connections.enumerate().min_by_key(|(_, count)| *count)?;
    (accepting >= fewest + AHEAD).then_some(index)
}

impl Duty<'_> {
    /// What is readable when there is somebody to accept and it is this thread's turn.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.door.epoll.0.try_clone()
    }

    pub(super) fn is_on(&self) -> bool {
        self.door.is_open()
    }

    /// The thread has accepted, and has so many connections now.
    pub(super) fn has_accepted(&self, connections: usize) -> io::Result<()> {
        self.door.connections.store(connections, Ordering::Relaxed);
        self.rota.choose(self.rota.lock())
    }

    /// Some have ended, and the thread has so many now. If another sees to who accepts at this
    /// moment, that may do without knowing.
    pub(super) fn has_still(&self, connections: usize) -> io::Result<()> {
        self.door.connections.store(connections, Ordering::Relaxed);
        match self.rota.try_lock() {
            Some(doors) => self.rota.choose(doors),
            None => Ok(()),
        }
    }
}

impl Drop for Duty<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.rota.leave(&self.door) {
            tracing::error!(%error, "cannot hand on the listening sockets");
        }
    }
}

impl Door {
    fn shut(set: &Epoll) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&set.0, EpollEvent::new(EpollFlags::empty(), 0))?;
        Ok(Self {
            epoll,
            is_open: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        })
    }

    fn open(&self, set: &Epoll) -> io::Result<()> {
        self.is_open.store(true, Ordering::Release);
        self.listen(set)
    }

    /// If somebody waits to be accepted, its thread hears of it at once.
    fn listen(&self, set: &Epoll) -> io::Result<()> {
        let mut readable = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        Ok(self.epoll.modify(&set.0, &mut readable)?)
    }

    fn close(&self, set: &Epoll) -> io::Result<()> {
        self.is_open.store(false, Ordering::Release);
        let mut nothing = EpollEvent::new(EpollFlags::empty(), 0);
        self.epoll.modify(&set.0, &mut nothing)?;
        // What is still in the list of what is ready would not be told when it is opened
        // again (`ep_modify`). Now that nothing is asked for, to look takes it off.
        self.epoll.wait(&mut [nothing], EpollTimeout::ZERO)?;
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_clearly_more_is_followed_by_who_has_fewest() {
        for (connections, accepting, next) in [
            (vec![1000], 1000, None),
            (vec![0, 0], 0, None),
            (vec![1, 0], 1, None),
            (vec![2, 0], 2, Some(1)),
            (vec![9, 7, 3, 3], 9, Some(2)),
            (vec![3, 4, 9], 3, None),
        ] {
            let counts = connections.iter().copied();
            assert_eq!(successor(counts, accepting), next, "{connections:?}");
        }
    }
}
