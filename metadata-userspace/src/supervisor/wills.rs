//! What daemons before this one left behind: a [will](super::succession) for each worker
//! that serves until another does.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

use super::succession::take_over;

/// Those that are not executed yet, the oldest first.
#[derive(Debug, Default)]
pub struct Wills(Vec<OwnedFd>);

impl Wills {
    /// Of daemons that followed each other too quickly to relieve anybody, the oldest had
    /// served all, and the newest serves what has come since. Those between are executed at
    /// once: each is a worker, and the service manager keeps so many descriptors and no more.
    pub fn of(left: Vec<OwnedFd>) -> Self {
        let mut open: Vec<OwnedFd> = left.into_iter().filter(is_awaited).collect();
        open.sort_by_key(|will| age(will).ok());
        if let Some(newest) = open.len().checked_sub(1).filter(|newest| *newest > 1) {
            open.drain(1..newest).for_each(take_over);
        }
        Self(open)
    }

    /// Tells all workers that another serves everything.
    pub fn execute(&mut self) {
        self.0.drain(..).for_each(take_over);
    }

    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd)
    }
}

/// Whether a worker has the other end, and was not told yet.
fn is_awaited(will: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(will.as_fd(), PollFlags::empty())];
    let is_polled = poll(&mut polled, PollTimeout::ZERO).is_ok();
    let [polled] = polled;
    let is_over = polled
        .revents()
        .is_some_and(|happened| !happened.is_empty());
    is_polled && !is_over && unread(will) == Ok(0)
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
        let successions = [(); 5].map(|()| {
            // The kernel's clock for it ticks every 10 ms at most.
            sleep(Duration::from_millis(20));
            Succession::new().unwrap()
        });
        let will = |succession: &Succession| succession.will().unwrap();
        let [_, _, _, told, gone] = &successions;
        take_over(will(told));
        let left = [told, gone]
            .into_iter()
            .chain(successions.iter().take(3).rev())
            .map(will)
            .collect();
        let [oldest, between, newest, _, gone] = successions;
        drop(gone);
        let mut wills = Wills::of(left);
        assert_eq!(wills.iter().count(), 2);
        assert_eq!(between.heir().await.unwrap(), Heir::Serves);
        let moment = Duration::from_millis(50);
        for waiting in [&oldest, &newest] {
            let copy = Succession::of(waiting.as_fd().try_clone_to_owned().unwrap());
            assert!(timeout(moment, copy.heir()).await.is_err());
        }
        wills.execute();
        assert_eq!(oldest.heir().await.unwrap(), Heir::Serves);
        assert_eq!(newest.heir().await.unwrap(), Heir::Serves);
    }
}
