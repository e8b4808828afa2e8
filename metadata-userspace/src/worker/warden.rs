//! Ending a worker that outlives its supervisor and does not leave. It may have been taken over
//! by a guest, so nothing can be expected of it; a later supervisor is not its parent, knows
//! it by no number that could not be another's by then, and may never come. So each worker
//! has a process beside it that does nothing else.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::unistd::{ForkResult, dup2_stdout, fork};

use crate::logging::{self, LogOptions};
use crate::supervisor::succession::{Succession, take_over};
use crate::supervisor::worker_process::ENDED_AFTER;

/// Of its process.
pub const NAME: &CStr = c"metadatad-ward";

struct Warden {
    worker: OwnedFd,
    pid: u32,
    /// The worker's end of the control channel, which hangs up when its supervisor ends or
    /// executes another program.
    control: OwnedFd,
    succession: Succession,
    /// By which the worker hears who comes next: of a pipe that it shared it could read what
    /// is meant for the warden.
    relay: OwnedFd,
}

/// Starts the warden of this process, which becomes a worker. The succession that this process
/// has as standard output is the warden's from now on; the one that is returned is the
/// worker's. To be called before there are other threads, or secrets in memory.
pub fn post(control: &OwnedFd) -> io::Result<Succession> {
    let relayed = Succession::new()?;
    let warden = Warden {
        worker: this_process()?,
        pid: std::process::id(),
        control: control.try_clone()?,
        succession: Succession::of(io::stdout().as_fd().try_clone_to_owned()?),
        relay: relayed.will()?,
    };
    dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    // SAFETY: there are no other threads.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(relayed),
        ForkResult::Child => {
            drop(relayed);
            let watched = warden.watch();
            if let Err(error) = &watched {
                eprintln!("metadatad: nobody ends the worker if it does not leave: {error}");
            }
            std::process::exit(watched.is_err().into())
        }
    }
}

impl Warden {
    fn watch(self) -> io::Result<()> {
        prctl::set_name(NAME)?;
        // As long as there is a supervisor, that sees to its end.
        let is_alone = self.unless_ended(self.control.as_fd(), PollFlags::empty())?;
        if is_alone.is_none() {
            return Ok(());
        }
        let Some(heir) = self.unless_ended(self.succession.as_fd(), PollFlags::POLLIN)? else {
            return Ok(());
        };
        if heir.contains(PollFlags::POLLIN) {
            take_over(&self.relay);
        }
        drop(self.relay);
        let limit = PollTimeout::try_from(ENDED_AFTER).map_err(io::Error::other)?;
        if !has_ended(&self.worker, limit)? {
            log_end(self.pid);
            end(&self.worker)?;
            // Whoever comes next takes our end for the worker's.
            has_ended(&self.worker, PollTimeout::NONE)?;
        }
        Ok(())
    }

    /// Waits until one of these events happens to a descriptor, or until it hangs up; `None`
    /// when the worker ends first.
    fn unless_ended(
        &self,
        other: BorrowedFd<'_>,
        events: PollFlags,
    ) -> io::Result<Option<PollFlags>> {
        let mut both = [readable(&self.worker), PollFd::new(other, events)];
        wait(&mut both, PollTimeout::NONE)?;
        let [worker, other] = both;
        Ok(other.revents().filter(|_| !happened(&worker)))
    }
}

/// A descriptor that stands for this very process, whoever has its number later.
fn this_process() -> io::Result<OwnedFd> {
    // SAFETY: without pointers.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0) };
    let process = Errno::result(process)?
        .try_into()
        .map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(process) })
}

fn has_ended(worker: &OwnedFd, limit: PollTimeout) -> io::Result<bool> {
    let mut worker = [readable(worker)];
    wait(&mut worker, limit)?;
    let [worker] = worker;
    Ok(happened(&worker))
}

/// Of a process, the descriptor is readable when it has ended (pidfd_open(2)).
fn readable(worker: &OwnedFd) -> PollFd<'_> {
    PollFd::new(worker.as_fd(), PollFlags::POLLIN)
}

fn happened(polled: &PollFd<'_>) -> bool {
    polled.any() == Some(true)
}

fn wait(polled: &mut [PollFd<'_>], limit: PollTimeout) -> io::Result<()> {
    loop {
        match poll(polled, limit) {
            Err(Errno::EINTR) => {}
            polled => return Ok(polled.map(drop)?),
        }
    }
}

fn end(worker: &OwnedFd) -> io::Result<()> {
    let (process, no_details, flags) = (worker.as_raw_fd(), 0, 0);
    // SAFETY: the null pointer stands for the details that kill(2) would give.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process,
            libc::SIGKILL,
            no_details,
            flags,
        )
    };
    match Errno::result(sent) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn log_end(pid: u32) {
    let options = LogOptions {
        debug: false,
        access_log: false,
    };
    // Without a log it is ended all the same.
    let _ = logging::init(options);
    tracing::warn!(
        pid,
        limit = ?ENDED_AFTER,
        "a worker without a supervisor did not leave in time; ending it"
    );
}
