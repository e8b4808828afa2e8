//! When workers were killed, and when they had ended. Nothing of a request is in the hands
//! of a parent.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::lab::daemon::send;

/// From before the signal until the last thread had ended.
#[derive(Clone, Copy, Debug)]
struct Kill {
    began: Instant,
    ended: Instant,
}

/// All kills of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Kills(Vec<Kill>);

impl Kills {
    /// Kills a worker, and its parent just before if one is given: it would start
    /// another. Waits for the end of the worker.
    ///
    /// # Errors
    /// When there is no such process.
    pub(super) fn kill(&mut self, worker: u32, parent: Option<u32>) -> Result<()> {
        let process = open(worker)?;
        let began = Instant::now();
        for pid in parent.into_iter().chain([worker]) {
            send(pid, Signal::SIGKILL)?;
        }
        await_end(&process)?;
        let ended = Instant::now();
        self.0.push(Kill { began, ended });
        Ok(())
    }

    /// Whether what was sent and cut off at these times was on its way during a kill.
    pub(super) fn hit(&self, sent: Instant, cut: Instant) -> bool {
        let mut kills = self.0.iter();
        kills.any(|kill| sent <= kill.ended && cut >= kill.began)
    }

    /// The longest time that a worker took to end.
    pub(super) fn longest(&self) -> Duration {
        let took = self.0.iter().map(|kill| kill.ended - kill.began);
        took.max().unwrap_or_default()
    }
}

/// A descriptor that is readable when all threads of the process have ended
/// (pidfd_open(2)), be it a child of ours or not.
fn open(pid: u32) -> Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid)?;
    // SAFETY: takes two numbers and no pointer.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = Errno::result(fd).with_context(|| format!("no process {pid}"))?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd.try_into()?) })
}

fn await_end(process: &OwnedFd) -> Result<()> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let ended = poll(&mut fds, PollTimeout::from(60_000_u16))?;
    ensure!(ended == 1, "a killed process does not end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_after_the_end_was_not_on_its_way() -> Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let (before, mut kills) = (Instant::now(), Kills::default());
        kills.kill(child.id(), None)?;
        child.wait()?;
        let after = Instant::now();
        assert!(kills.hit(before, after));
        assert!(!kills.hit(after, after));
        assert!(!kills.hit(before, before));
        assert!(kills.longest() > Duration::ZERO);
        Ok(())
    }
}
