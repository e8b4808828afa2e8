//! How a worker that lost its supervisor learns whether another takes over.
//!
//! A pipe. Its writing end is what a supervisor leaves behind: with the service
//! manager, or to the program that it executes in its place. Whoever takes over writes
//! to it once its own worker serves. When all copies of it are closed instead, nobody
//! will.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{pipe2, write};
use tokio::io::Interest;

use crate::async_fd;

/// By what name the writing end is left behind.
pub const NAME: &str = "succession";

/// Who comes after a supervisor that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// Another one, whose worker serves the same sockets already.
    Serves,
    Nobody,
}

/// The reading end.
#[derive(Debug)]
pub struct Succession(OwnedFd);

impl Succession {
    /// A pipe of which nobody has the writing end yet.
    pub fn new() -> io::Result<Self> {
        let (reading, _) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Self(reading))
    }

    /// The one whose reading end this is.
    pub fn of(reading_end: OwnedFd) -> Self {
        Self(reading_end)
    }

    /// A writing end, to be left behind.
    pub fn will(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let mut options = OpenOptions::new();
        let options = options.write(true).custom_flags(libc::O_NONBLOCK);
        Ok(options.open(path)?.into())
    }

    /// Whether somebody keeps a writing end.
    pub fn is_kept(&self) -> bool {
        !self.state().contains(PollFlags::POLLHUP)
    }

    /// Waits until it is known who comes next. Needs a tokio runtime.
    pub async fn heir(&self) -> io::Result<Heir> {
        let pipe = async_fd::register(self.0.try_clone()?, Interest::READABLE)?;
        loop {
            let mut ready = pipe.readable().await?;
            let state = self.state();
            if state.contains(PollFlags::POLLIN) {
                return Ok(Heir::Serves);
            }
            if state.contains(PollFlags::POLLHUP) {
                return Ok(Heir::Nobody);
            }
            ready.clear_ready();
        }
    }

    fn state(&self) -> PollFlags {
        let mut pipe = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let polled = poll(&mut pipe, PollTimeout::ZERO);
        let [pipe] = pipe;
        polled
            .ok()
            .and_then(|_| pipe.revents())
            .unwrap_or(PollFlags::empty())
    }
}

impl AsFd for Succession {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Tells the workers of a supervisor that is gone that they are not needed any more.
pub fn take_over(will: &OwnedFd) {
    // They may have ended.
    let _ = write(will, &[1]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn nobody_comes_when_no_will_is_kept() {
        let succession = Succession::new().unwrap();
        assert!(!succession.is_kept());
        assert_eq!(succession.heir().await.unwrap(), Heir::Nobody);
    }

    #[tokio::test]
    async fn the_end_of_a_kept_will_is_noticed() {
        let succession = Succession::new().unwrap();
        let will = succession.will().unwrap();
        assert!(succession.is_kept());
        let copy = Succession(succession.0.try_clone().unwrap());
        let waiting = timeout(Duration::from_millis(50), copy.heir()).await;
        assert!(waiting.is_err());
        drop(will);
        assert_eq!(succession.heir().await.unwrap(), Heir::Nobody);
    }

    #[tokio::test]
    async fn every_worker_hears_of_the_heir() {
        let first = Succession::new().unwrap();
        let second = Succession(first.0.try_clone().unwrap());
        take_over(&first.will().unwrap());
        assert_eq!(first.heir().await.unwrap(), Heir::Serves);
        assert_eq!(second.heir().await.unwrap(), Heir::Serves);
    }
}
