//! Noticing that somebody comes to a worker, whether or not it serves them.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::async_fd;

/// The sockets at which one worker is reached. Each is reported once and has to be armed
/// anew then: a busy worker's connections do not wake the supervisor.
pub struct Activity {
    set: Epoll,
    readable: AsyncFd<OwnedFd>,
    watched: Vec<Rc<OwnedFd>>,
    /// Whether those of guests are among them.
    has_guests: bool,
}

impl Activity {
    /// Needs a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self {
            readable: async_fd::register(set.0.try_clone()?, Interest::READABLE)?,
            set,
            watched: Vec::new(),
            has_guests: false,
        })
    }

    /// Watches a listening socket.
    pub fn watch(&mut self, socket: Rc<OwnedFd>) {
        match self.set.add(&*socket, once()) {
            Ok(()) => self.watched.push(socket),
            Err(errno) => tracing::warn!(%errno, "cannot watch a socket of the worker's"),
        }
    }

    /// Watches all sockets of guests, by the set in which the worker has them. Nothing is
    /// read from it, and a worker that lies about it is only asked more often.
    pub fn watch_guests(&mut self, set: OwnedFd) {
        let watched = self.watched.len();
        self.watch(Rc::new(set));
        self.has_guests = self.watched.len() > watched;
    }

    /// Whether those of guests are watched.
    pub fn has_guests(&self) -> bool {
        self.has_guests
    }

    /// Has everything reported once more.
    pub fn arm(&self) {
        for socket in &self.watched {
            if let Err(errno) = self.set.modify(&**socket, &mut once()) {
                tracing::warn!(%errno, "cannot watch a socket of the worker's any more");
            }
        }
    }

    /// Waits until somebody comes to what was armed. At once if it cannot be known who
    /// comes. Dropping the future loses nothing.
    pub async fn stirs(&self) {
        if !self.has_guests {
            return;
        }
        loop {
            let Ok(mut readable) = self.readable.readable().await else {
                return;
            };
            let mut event = [EpollEvent::empty()];
            match self.set.wait(&mut event, EpollTimeout::ZERO) {
                Ok(0) => readable.clear_ready(),
                Err(Errno::EINTR) => {}
                _ => return,
            }
        }
    }
}

fn once() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_calm(activity: &Activity) -> bool {
        let moment = Duration::from_millis(50);
        timeout(moment, activity.stirs()).await.is_err()
    }

    #[tokio::test]
    async fn who_comes_is_noticed_once_until_it_is_armed_anew() {
        let guests = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = guests.local_addr().unwrap();
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let readable = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        set.add(&guests, readable).unwrap();
        let mut activity = Activity::new().unwrap();
        assert!(!is_calm(&activity).await);

        activity.watch_guests(set.0.try_clone().unwrap());
        assert!(is_calm(&activity).await);
        let _first = TcpStream::connect(address).unwrap();
        assert!(!is_calm(&activity).await);
        let _second = TcpStream::connect(address).unwrap();
        assert!(is_calm(&activity).await);

        // Nobody has accepted them.
        activity.arm();
        assert!(!is_calm(&activity).await);
        let _accepted = (guests.accept().unwrap(), guests.accept().unwrap());
        activity.arm();
        assert!(is_calm(&activity).await);
    }

    #[tokio::test]
    async fn other_sockets_are_watched_as_well() {
        let operators = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = operators.local_addr().unwrap();
        let mut activity = Activity::new().unwrap();
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        activity.watch_guests(set.0);
        activity.watch(Rc::new(operators.into()));
        assert!(is_calm(&activity).await);
        let _client = TcpStream::connect(address).unwrap();
        assert!(!is_calm(&activity).await);
    }
}
