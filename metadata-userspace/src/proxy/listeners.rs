//! The listeners of all namespaces in one set, for which the threads that serve guests wait
//! in turn. A task for each of them on each thread would take some KiB for every router, and
//! a descriptor on every thread.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::SockAddr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Origin;
use super::retire::turn_away;
use super::rota::{Duty, Rota};
use crate::async_fd;

/// Of how many listeners one look tells.
const AT_ONCE: usize = 16;

/// Those that are open, by the numbers that whoever opened them gave.
pub(super) struct Listeners {
    set: Arc<Epoll>,
    pub(super) rota: Rota,
    open: Mutex<HashMap<u64, Arc<Listener>>>,
    drain: CancellationToken,
    /// Whether another process serves the same sockets.
    others_serve: AtomicBool,
}

/// Where guests of one namespace connect.
pub(super) struct Listener {
    socket: OwnedFd,
    pub(super) origin: Arc<Origin>,
    /// It takes no more connections; those that run may end.
    pub(super) retirement: CancellationToken,
    /// Its connections end at once: the namespace is gone.
    pub(super) end: CancellationToken,
}

impl Listeners {
    pub(super) fn new(drain: &CancellationToken) -> io::Result<Self> {
        let set = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        Ok(Self {
            rota: Rota::new(&set),
            set,
            open: Mutex::default(),
            drain: drain.clone(),
            others_serve: AtomicBool::new(false),
        })
    }

    /// Serves a socket. One whose number is known already is closed.
    pub(super) fn open(&self, id: u64, socket: OwnedFd, origin: Arc<Origin>) -> io::Result<()> {
        self.close(id);
        let listener = Arc::new(Listener {
            socket,
            origin,
            retirement: self.drain.child_token(),
            end: CancellationToken::new(),
        });
        self.lock().insert(id, Arc::clone(&listener));
        let readable = EpollEvent::new(EpollFlags::EPOLLIN, id);
        self.set.add(&listener.socket, readable).map_err(|errno| {
            self.lock().remove(&id);
            errno.into()
        })
    }

    /// Takes no more connections there, and ends those that run.
    pub(super) fn close(&self, id: u64) {
        if let Some(listener) = self.forget(id) {
            listener.end.cancel();
        }
    }

    /// Lets the connections of a listener end. It takes those who have begun to connect
    /// until it is [forgotten](Self::forget_one).
    pub(super) fn retire(&self, id: u64) -> Option<Arc<Listener>> {
        let listener = self.lock().get(&id).cloned()?;
        listener.retirement.cancel();
        Some(listener)
    }

    /// Takes no more connections at one that was retired, if it has not been closed since.
    pub(super) fn forget_one(&self, id: u64, listener: &Arc<Listener>) {
        let known = self.lock().get(&id).cloned();
        if known.is_some_and(|known| Arc::ptr_eq(&known, listener)) {
            self.forget(id);
        }
    }

    /// Takes no more connections there.
    fn forget(&self, id: u64) -> Option<Arc<Listener>> {
        let listener = self.lock().remove(&id)?;
        self.remove_from_set(&listener);
        Some(listener)
    }

    /// The next connection that waits there, for the calling thread's runtime. One that the
    /// supervisor has ended, because its namespace is gone, is waited for no more: what its
    /// connections do is told when it is [closed](Self::close) or [retired](Self::retire).
    pub(super) fn accept(
        &self,
        listener: &Listener,
    ) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match listener.accept() {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.remove_from_set(listener);
                Ok(None)
            }
            accepted => accepted,
        }
    }

    /// Takes no more connections anywhere.
    pub(super) fn forget_all(&self) {
        let all = std::mem::take(&mut *self.lock());
        all.values()
            .for_each(|listener| self.remove_from_set(listener));
    }

    fn remove_from_set(&self, listener: &Listener) {
        // Others hold the socket open, so closing it here would not do.
        match self.set.delete(&listener.socket) {
            // It has ended before.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => {
                let namespace = listener.origin.namespace();
                tracing::warn!(namespace, %errno, "cannot leave a listener");
            }
        }
    }

    /// From now on, sockets are left as they are when all are drained: another process
    /// serves them too.
    pub(super) fn leave(&self) {
        self.others_serve.store(true, Relaxed);
    }

    pub(super) fn are_left(&self) -> bool {
        self.others_serve.load(Relaxed)
    }

    /// Has new connections go elsewhere, unless whoever retired a listener did so: it may
    /// have let them in again.
    pub(super) fn turn_away(&self) {
        for listener in self.lock().values() {
            if !listener.retirement.is_cancelled()
                && let Err(error) = turn_away(&listener.socket)
            {
                tracing::warn!(
                    namespace = listener.origin.namespace(),
                    %error,
                    "cannot turn new connections away; one may be lost"
                );
            }
        }
    }

    /// When all of them are to be left.
    pub(super) fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Those where somebody waits to be accepted now, or some of them.
    pub(super) fn ready(&self) -> io::Result<Vec<Arc<Listener>>> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let count = match self.set.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let open = self.lock();
        let events = events.iter().take(count);
        Ok(events
            .filter_map(|event| open.get(&event.data()).cloned())
            .collect())
    }

    /// For the calling thread's runtime.
    pub(super) fn waiting(&self) -> io::Result<Waiting<'_>> {
        let duty = self.rota.join()?;
        Ok(Waiting {
            listeners: self,
            door: async_fd::register(duty.descriptor()?, Interest::READABLE)?,
            duty,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Listener>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Listeners {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.0.as_fd()
    }
}

/// One thread that waits for guests.
pub(super) struct Waiting<'a> {
    listeners: &'a Listeners,
    door: AsyncFd<OwnedFd>,
    pub(super) duty: Duty<'a>,
}

impl Waiting<'_> {
    /// Waits until somebody wants to be accepted, and it is this thread's turn. Dropping the
    /// future loses nothing.
    pub(super) async fn ready(&self) -> io::Result<Vec<Arc<Listener>>> {
        loop {
            let mut readable = self.door.readable().await?;
            if self.duty.is_on() {
                let ready = self.listeners.ready()?;
                if !ready.is_empty() {
                    return Ok(ready);
                }
            }
            readable.clear_ready();
        }
    }
}

impl Listener {
    fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let accept = |address: *mut _, length| {
            let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
            // SAFETY: the socket is open, and the kernel writes no more than `length` says.
            let fd = unsafe { libc::accept4(self.socket.as_raw_fd(), address, length, flags) };
            // SAFETY: the kernel has just made it for us.
            Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(fd)?) })
        };
        // SAFETY: what is accepted has the address that the kernel has written.
        let accepted =
            unsafe { SockAddr::try_init(|address, length| accept(address.cast(), length)) };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let peer = address.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some((TcpStream::from_std(socket.into())?, peer)))
    }
}
