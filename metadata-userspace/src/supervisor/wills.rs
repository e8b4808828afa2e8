//! What daemons before this one left behind: a [will](super::succession) for each worker
//! that serves until another does, and for each that was told to leave and has not left.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::succession::take_over;
use crate::async_fd;

/// All of them, until their workers have left.
#[derive(Debug, Default)]
pub struct Wills {
    /// The oldest first.
    open: Vec<OwnedFd>,
    executed: Vec<AsyncFd<OwnedFd>>,
}

impl Wills {
    /// Of daemons that followed each other too quickly to relieve anybody, the oldest had
    /// served all, and the newest serves what has come since. Those between are executed at
    /// once: each is a worker, and the service manager keeps so many descriptors and no more.
    /// Needs a tokio runtime.
    pub fn of(left: Vec<OwnedFd>) -> io::Result<Self> {
        let awaited = left.into_iter().filter(|will| !is_over(will));
        let (mut open, told): (Vec<OwnedFd>, Vec<OwnedFd>) =
            awaited.partition(|will| unread(will) == Ok(0));
        open.sort_by_key(|will| age(will).ok());
        let between: Vec<OwnedFd> = match open.len().checked_sub(1) {
            Some(newest) if newest > 1 => open.drain(1..newest).collect(),
            _ => Vec::new(),
        };
        between.iter().for_each(take_over);
        let executed = told.into_iter().chain(between).map(watch);
        Ok(Self {
            open,
            executed: executed.collect::<io::Result<_>>()?,
        })
    }

    /// Tells all workers that another serves everything.
    pub fn execute(&mut self) -> io::Result<()> {
        // Whoever cannot be watched is told all the same.
        self.open.iter().for_each(take_over);
        for will in self.open.drain(..) {
            self.executed.push(watch(will)?);
        }
        Ok(())
    }

    /// Returns when a worker has left that was told to. [`forget`](Self::forget) it then.
    pub async fn departure(&self) {
        poll_fn(
            |cx| match self.executed.iter().any(|will| is_gone(will, cx)) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
        )
        .await;
    }

    /// Forgets those whose workers have left.
    pub fn forget(&mut self) {
        self.executed.retain(|will| !is_over(will.get_ref()));
    }

    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let executed = self.executed.iter().map(AsyncFd::get_ref);
        self.open.iter().chain(executed).map(AsFd::as_fd)
    }
}

fn watch(will: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    async_fd::register(will, Interest::WRITABLE)
}

/// Whether the worker has left; if not, the task hears of it.
fn is_gone(will: &AsyncFd<OwnedFd>, cx: &mut Context<'_>) -> bool {
    while let Poll::Ready(Ok(mut ready)) = will.poll_write_ready(cx) {
        if is_over(will.get_ref()) {
            return true;
        }
        ready.clear_ready();
    }
    false
}

/// Whether nobody has the other end.
fn is_over(will: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(will.as_fd(), PollFlags::empty())];
    let is_polled = poll(&mut polled, PollTimeout::ZERO).is_ok();
    let [polled] = polled;
    !is_polled || polled.any() == Some(true)
}

/// How many bytes nobody has read: pipe(7) tells it at either end.
fn unread(will: &OwnedFd) -> Result<libc::c_int, Errno> {
    let mut bytes = 0;
    // SAFETY: the kernel writes one number.
    let done = unsafe { libc::ioctl(will.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    Errno::result(done).map(|_| bytes)
}

/// Since it was made nothing was written to it.
fn age(will: &OwnedFd) -> Result<(i64, i64), Errno> {
    let status = fstat(will)?;
    Ok((status.st_ctime, status.st_ctime_nsec))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::super::succession::{Heir, Succession};
    use super::*;

    #[tokio::test]
    async fn the_oldest_and_the_newest_worker_serve_on() {
        let successions = [(); 4].map(|()| {
            // The kernel's clock for it ticks every 10 ms at most.
            sleep(Duration::from_millis(20));
            Succession::new().unwrap()
        });
        let will = |succession: &Succession| succession.will().unwrap();
        let left = successions.iter().rev().map(will).collect();
        let [oldest, between, newest, gone] = successions;
        drop(gone);
        let mut wills = Wills::of(left).unwrap();
        assert_eq!(between.heir().await.unwrap(), Heir::Serves);
        let moment = Duration::from_millis(50);
        for waiting in [&oldest, &newest] {
            assert!(timeout(moment, waiting.heir()).await.is_err());
        }
        wills.execute().unwrap();
        assert_eq!(oldest.heir().await.unwrap(), Heir::Serves);
        assert_eq!(newest.heir().await.unwrap(), Heir::Serves);
    }

    #[tokio::test]
    async fn who_was_told_is_known_until_it_has_left() {
        let [told, tells] = [(); 2].map(|()| Succession::new().unwrap());
        let will = |succession: &Succession| succession.will().unwrap();
        take_over(&will(&told));
        let mut wills = Wills::of(vec![will(&told), will(&tells)]).unwrap();
        wills.execute().unwrap();
        let moment = Duration::from_millis(50);
        for (succession, left) in [(told, 1), (tells, 0)] {
            assert!(timeout(moment, wills.departure()).await.is_err());
            drop(succession);
            wills.departure().await;
            wills.forget();
            assert_eq!(wills.iter().count(), left);
        }
    }
}
