//! Ending a worker by force. `CAP_KILL` would allow that, and signals to any process of the
//! host; a child that becomes the worker's user needs nothing but `CAP_SETUID`.

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, fork, setresuid};

/// Sends SIGKILL to a process of another user, which must not have been waited for; or of
/// this one's, if it has not become the other yet.
///
/// # Errors
/// When no child can be made, or neither user may send it.
pub(super) fn kill_as(uid: Uid, process: u32) -> Result<(), Errno> {
    let process = Pid::from_raw(i32::try_from(process).map_err(|_| Errno::ESRCH)?);
    // SAFETY: other threads may hold locks, so the child makes system calls and nothing else.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let sent = setresuid(uid, uid, uid).and_then(|()| kill(process, Signal::SIGKILL));
            // SAFETY: it ends the child, without what the parent wants done at its own end.
            unsafe { libc::_exit(i32::from(sent.is_err())) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => kill(process, Signal::SIGKILL),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use caps::{CapSet, Capability};

    use super::*;

    #[test]
    fn another_users_process_is_ended_without_cap_kill() {
        let uid = 54_321;
        let mut sleeper = Command::new("sleep").arg("1000").uid(uid).spawn().unwrap();
        caps::drop(None, CapSet::Effective, Capability::CAP_KILL).unwrap();
        assert_eq!(
            kill(Pid::from_raw(sleeper.id().cast_signed()), Signal::SIGKILL),
            Err(Errno::EPERM)
        );
        kill_as(Uid::from_raw(uid), sleeper.id()).unwrap();
        assert_eq!(sleeper.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn one_that_is_not_another_users_yet_is_ended_too() {
        let mut sleeper = Command::new("sleep").arg("30").spawn().unwrap();
        kill_as(Uid::from_raw(54_321), sleeper.id()).unwrap();
        assert_eq!(sleeper.wait().unwrap().signal(), Some(9));
    }
}
