//! When workers were killed, and when they had ended. Nothing of a request is in the hands
//! of a parent.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::daemon::send;

/// The kernel closes a process's sockets before that has ended; on a busy machine their
/// peers look so much later.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// From before the signal until the last thread had ended.
#[derive(Clone, Copy, Debug)]
struct Kill {
    began: Instant,
    /// `None` while it ends.
    ended: Option<Instant>,
}

/// All kills of a run.
#[derive(Debug, Default)]
pub struct Kills(Mutex<Vec<Kill>>);

impl Kills {
    /// Kills a worker, and its parent just before if one is given: it would start
    /// another. Waits for the end of the worker.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(&self, worker: u32, parent: Option<u32>) -> Result<()> {
        let process = open(worker)?;
        self.all().push(Kill {
            began: Instant::now(),
            ended: None,
        });
        for pid in parent.into_iter().chain([worker]) {
            send(pid, Signal::SIGKILL)?;
        }
        await_end(&process)?;
        if let Some(kill) = self.all().last_mut() {
            kill.ended = Some(Instant::now());
        }
        Ok(())
    }

    /// Whether what was sent and cut off at these times was on its way during a kill, and
    /// was cut off by it, not by the next worker.
    pub fn hit(&self, sent: Instant, cut: Instant) -> bool {
        self.noticed_after(sent, cut).is_some()
    }

    /// How long after the end of such a kill it was noticed.
    pub fn noticed_after(&self, sent: Instant, cut: Instant) -> Option<Duration> {
        let all = self.all();
        let on_its_way = all
            .iter()
            .filter(|kill| kill.began <= cut && kill.ended.is_none_or(|ended| sent <= ended));
        let after = on_its_way.map(|kill| {
            let ended = kill.ended.unwrap_or(cut);
            cut.saturating_duration_since(ended)
        });
        after.min().filter(|after| *after <= NOTICED_WITHIN)
    }

    /// The longest time that a worker took to end.
    pub fn longest(&self) -> Duration {
        let all = self.all();
        let took = all.iter().filter_map(|kill| Some(kill.ended? - kill.began));
        took.max().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Kill>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_was_sent_before_the_end_and_cut_off_by_it_was_on_its_way() -> Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let (before, kills) = (Instant::now(), Kills::default());
        kills.kill(child.id(), None)?;
        child.wait()?;
        let after = Instant::now();
        assert!(kills.hit(before, after));
        assert!(!kills.hit(after, after));
        assert!(!kills.hit(before, before));
        // By somebody else.
        assert!(!kills.hit(before, after + 2 * NOTICED_WITHIN));
        assert!(kills.longest() > Duration::ZERO);
        Ok(())
    }
}
