//! When processes were killed, and when they had ended.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::lab::daemon::send;

const LIMIT: PollTimeout = PollTimeout::MAX;

/// From before the first signal until the last thread had ended.
#[derive(Clone, Copy, Debug)]
struct Kill {
    began: Instant,
    ended: Instant,
}

/// All kills of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Kills(Vec<Kill>);

impl Kills {
    /// Kills processes, all at once, and waits for their ends.
    ///
    /// # Errors
    /// When there is no such process.
    pub(super) fn kill(&mut self, pids: &[u32]) -> Result<()> {
        let processes: Vec<OwnedFd> = pids.iter().map(|pid| open(*pid)).collect::<Result<_>>()?;
        let began = Instant::now();
        pids.iter()
            .try_for_each(|pid| send(*pid, Signal::SIGKILL))?;
        processes.iter().try_for_each(await_end)?;
        let ended = Instant::now();
        self.0.push(Kill { began, ended });
        Ok(())
    }

    /// Whether what was sent and cut off at these times was on its way during a kill.
    pub(super) fn hit(&self, sent: Instant, cut: Instant) -> bool {
        let mut kills = self.0.iter();
        kills.any(|kill| sent <= kill.ended && cut >= kill.began)
    }

    /// The longest time that processes took to end.
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
    ensure!(poll(&mut fds, LIMIT)? == 1, "a killed process does not end");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_after_the_end_was_not_on_its_way() -> Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let (before, mut kills) = (Instant::now(), Kills::default());
        kills.kill(&[child.id()])?;
        child.wait()?;
        let after = Instant::now();
        assert!(kills.hit(before, after));
        assert!(!kills.hit(after, after));
        assert!(!kills.hit(before, before));
        assert!(kills.longest() > Duration::ZERO);
        Ok(())
    }
}
