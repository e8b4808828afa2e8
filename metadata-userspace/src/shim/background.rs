//! Leaving the agent that started the shim, as haproxy does.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, chdir, fork as fork_process, setsid};
use serde::{Deserialize, Serialize};

/// What became of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The shim stays, with something to tell or not.
    Ready(Option<String>),
    /// The daemon is not there, and something else is to be run.
    NoDaemon(String),
    Failed(String),
}

/// Tells those who wait for the process that stays that it does.
pub(super) struct Herald(Option<PipeWriter>);

impl Herald {
    /// There is nobody else: this process stays itself, in the foreground.
    pub(super) fn of_this_process() -> Self {
        settle();
        Self(None)
    }

    /// Standard error is the agent's until then. Agents wait for its end, not for that
    /// of the process that they started. That one waits until what this returns is
    /// closed.
    pub(super) fn tell(self, outcome: &Outcome) -> Option<OwnedFd> {
        let Some(mut pipe) = self.0 else {
            if let Outcome::Ready(Some(note)) = outcome {
                let _ = writeln!(io::stderr(), "haproxy (metadatad): {note}");
            }
            return None;
        };
        leave_standard_files();
        send(&mut pipe, outcome);
        Some(pipe.into())
    }
}

fn send(pipe: &mut PipeWriter, outcome: &Outcome) {
    // Whoever stopped waiting does not want it.
    if let Ok(message) = serde_json::to_vec(outcome) {
        let _ = pipe.write_all(&message);
    }
}

/// Runs `live` in a process of its own session; returns in the one that was started,
/// when the other told how it went, or ended. Call it before there are threads.
pub(super) fn fork(live: impl FnOnce(Herald) -> Outcome) -> io::Result<Outcome> {
    let (mut news, pipe) = io::pipe()?;
    // SAFETY: the process has one thread, so the child may do whatever the parent may.
    match unsafe { fork_process() }? {
        ForkResult::Parent { .. } => {
            drop(pipe);
            let mut message = Vec::new();
            news.read_to_end(&mut message)?;
            let lost = |_| Outcome::Failed("the process that was to stay ended".to_owned());
            Ok(serde_json::from_slice(&message).unwrap_or_else(lost))
        }
        ForkResult::Child => {
            drop(news);
            // It leads no group yet, so this cannot fail.
            let _ = setsid();
            settle();
            let last_words = pipe.try_clone();
            let outcome = live(Herald(Some(pipe)));
            if let Ok(mut pipe) = last_words {
                send(&mut pipe, &outcome);
            }
            std::process::exit(0)
        }
    }
}

/// What both grounds have in common: no directory that could not be unmounted, no
/// signal that an agent had blocked.
fn settle() {
    let _ = chdir(Path::new("/"));
    umask(Mode::from_bits_truncate(0o022));
    let _ = SigSet::empty().thread_set_mask();
}

/// Closes what the agent left open, but for the standard files.
pub(super) fn close_inherited_files() {
    // SAFETY: nothing in this process has opened a file yet that it goes on using.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

fn leave_standard_files() {
    let Ok(null) = File::options().read(true).write(true).open("/dev/null") else {
        return;
    };
    for standard in 0..=2 {
        // SAFETY: both are open descriptors of this process, and the standard ones
        // belong to nobody.
        unsafe { libc::dup2(null.as_raw_fd(), standard) };
    }
}

/// Keeps the user: the daemon's socket is root's. Nothing else of root is needed.
pub(super) fn drop_capabilities() -> Result<(), crate::worker::privileges::PrivilegeError> {
    crate::worker::privileges::drop_capabilities()
}
