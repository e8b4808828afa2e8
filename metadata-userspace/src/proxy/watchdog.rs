//! Deadlines of a guest's connection: for the head, for silence between
//! requests, for an answer that the guest does not take.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::guest::Guest;
use crate::config::ProxyTimeouts;
use crate::interim::InterimIo;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a head.
    Head,
    /// The first byte of the next request.
    Idle,
    /// The upstream, or the body: they have deadlines of their own.
    Exchange,
}

const HEAD: u8 = 0;
const IDLE: u8 = 1;
const EXCHANGE: u8 = 2;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The deadlines, in milliseconds since `started`.
///
/// All that touch it are polled by the connection's one task: the atomics only
/// make it `Sync`. No timer is set or cancelled per request; see
/// [`Watchdog::next_look`].
pub(super) struct Watchdog {
    started: Instant,
    phase: AtomicU8,
    deadline: AtomicU64,
    /// Of a write that the guest's full window holds up.
    write_deadline: AtomicU64,
    head: Duration,
    idle: Duration,
    write: Duration,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Head,
    Idle,
    Write,
}

impl Watchdog {
    pub(super) fn new(timeouts: &ProxyTimeouts) -> Self {
        let watchdog = Self {
            started: Instant::now(),
            phase: AtomicU8::new(HEAD),
            deadline: AtomicU64::new(NEVER),
            write_deadline: AtomicU64::new(NEVER),
            head: timeouts.http_request,
            idle: timeouts.http_keep_alive,
            write: timeouts.client,
        };
        watchdog.enter(Phase::Head);
        watchdog
    }

    pub(super) fn enter(&self, phase: Phase) {
        let (number, limit) = match phase {
            Phase::Head => (HEAD, Some(self.head)),
            Phase::Idle => (IDLE, Some(self.idle)),
            Phase::Exchange => (EXCHANGE, None),
        };
        self.phase.store(number, Relaxed);
        let deadline = limit.map_or(NEVER, |limit| self.millis(Instant::now() + limit));
        self.deadline.store(deadline, Relaxed);
    }

    /// Bytes came in.
    fn heard(&self) {
        if self.phase.load(Relaxed) == IDLE {
            self.enter(Phase::Head);
        }
    }

    fn write_held_up(&self) {
        if self.write_deadline.load(Relaxed) == NEVER {
            let deadline = self.millis(Instant::now() + self.write);
            self.write_deadline.store(deadline, Relaxed);
        }
    }

    fn wrote(&self) {
        if self.write_deadline.load(Relaxed) != NEVER {
            self.write_deadline.store(NEVER, Relaxed);
            // A slow guest is not idle while it still takes the last answer.
            if self.phase.load(Relaxed) == IDLE {
                self.enter(Phase::Idle);
            }
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(NEVER)
    }

    fn expired(&self, now: Instant) -> Option<Expired> {
        let now = self.millis(now);
        match self.write_deadline.load(Relaxed) {
            NEVER => {}
            deadline => return (deadline <= now).then_some(Expired::Write),
        }
        if self.deadline.load(Relaxed) > now {
            return None;
        }
        Some(match self.phase.load(Relaxed) {
            IDLE => Expired::Idle,
            _ => Expired::Head,
        })
    }

    /// A time by which no deadline passes that is not set yet: whatever is set
    /// from `now` on lies at least the shortest limit away. So one timer, moved
    /// only when it fires, is never late.
    fn next_look(&self, now: Instant) -> Instant {
        let set = match self.write_deadline.load(Relaxed) {
            NEVER => self.deadline.load(Relaxed),
            deadline => deadline,
        };
        let unset = now + self.head.min(self.idle).min(self.write);
        match set {
            NEVER => unset,
            set => unset.min(self.started + Duration::from_millis(set)),
        }
    }

    pub(super) fn timer(&self) -> Sleep {
        tokio::time::sleep_until(self.next_look(self.started))
    }

    /// Ready when a deadline has passed.
    pub(super) fn poll_expired(
        &self,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Expired> {
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if let Some(expired) = self.expired(now) {
                return Poll::Ready(expired);
            }
            timer.as_mut().reset(self.next_look(now));
        }
        Poll::Pending
    }
}

/// A guest's socket that tells the watchdog what it does.
///
/// Dropped before [`finish`](Self::finish), it resets the connection: that is
/// for a namespace that is gone, where nobody acknowledges an end any more, and
/// a socket that waits for it would keep the namespace alive.
pub(super) struct WatchedIo {
    io: InterimIo<TokioIo<TcpStream>>,
    guest: Arc<Guest>,
    is_finished: bool,
}

impl WatchedIo {
    pub(super) fn new(stream: TcpStream, guest: Arc<Guest>) -> Self {
        Self {
            io: InterimIo::new(TokioIo::new(stream), Arc::clone(&guest.interim)),
            guest,
            is_finished: false,
        }
    }

    /// The socket, once HTTP is done with it.
    pub(super) fn finish(&mut self) -> &mut TcpStream {
        self.is_finished = true;
        self.io.inner_mut().inner_mut()
    }

    fn watch_write<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Pending => self.guest.watchdog.write_held_up(),
            Poll::Ready(_) => self.guest.watchdog.wrote(),
        }
        written
    }
}

impl Drop for WatchedIo {
    fn drop(&mut self) {
        if !self.is_finished {
            let reset = linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // Without it the kernel gives up after a while (TCP_USER_TIMEOUT).
            let _ = setsockopt(self.io.inner().inner(), sockopt::Linger, &reset);
        }
    }
}

impl Read for WatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() {
            self.guest.watchdog.heard();
        }
        read
    }
}

impl Write for WatchedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watch_write(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.watch_write(flushed)
    }

    /// Nothing: closing the socket follows at once and says the same, for one
    /// system call less; see `linger` in connection.rs for when it must not.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
