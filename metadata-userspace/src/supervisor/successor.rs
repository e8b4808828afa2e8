//! Executing the program anew in place of this process, which keeps its process id,
//! with a new executable and a new configuration.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::execve;
use tokio::process::Command;
use tokio::time::timeout;

use super::control::{ControlError, to_memory_file};
use super::held::{self, Held};
use super::inherited::{FOR_ONE_PROCESS, HANDOVER, Handover};

/// How long the new program may take to read its configuration.
const PATIENCE: Duration = Duration::from_secs(30);
/// Has the program say whether it could start, and nothing more.
pub const VERIFY: &str = "--verify";
/// Signals that would end the new program before it listens to them.
const HELD_BACK: [Signal; 3] = [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT];

/// Why this program goes on.
#[derive(Debug, thiserror::Error)]
pub enum NoSuccessor {
    #[error("cannot execute {program}: {source}")]
    Execute { program: PathBuf, source: io::Error },
    #[error("{program} did not read its configuration within 30 s")]
    Slow { program: PathBuf },
    #[error("{program} would not start: {problem}")]
    Faulty { program: PathBuf, problem: String },
    #[error("cannot hand the sockets over: {0}")]
    Handover(#[from] ControlError),
}

/// The program that would come after this one.
#[derive(Clone, Debug)]
pub struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// What is at the path by which this program was started. To be called at the
    /// start: later the file may be another, or none.
    pub fn of_this_process() -> io::Result<Self> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let called = arguments.first().map(Path::new);
        let program = match called.filter(|name| name.components().count() > 1) {
            // Not what a link in it leads to now.
            Some(path) => std::path::absolute(path)?,
            None => std::env::current_exe()?,
        };
        Ok(Self { program, arguments })
    }

    /// Asks the new program whether it can start with the configuration as it is now, and
    /// listen on what it says besides what this one has.
    pub async fn verify(&self, held: &Held) -> Result<(), NoSuccessor> {
        let program = || self.program.clone();
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().skip(1)).arg(VERIFY);
        command.env(held::VARIABLE, held.to_text()?);
        for variable in FOR_ONE_PROCESS.iter().chain(&["NOTIFY_SOCKET"]) {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.kill_on_drop(true).stderr(Stdio::piped()).output();
        let output = timeout(PATIENCE, output)
            .await
            .map_err(|_| NoSuccessor::Slow { program: program() })?
            .map_err(|source| NoSuccessor::Execute {
                program: program(),
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = format!("{}: {}", output.status, said.trim());
        Err(NoSuccessor::Faulty {
            program: program(),
            problem,
        })
    }

    /// Becomes the new program. Returns only when that cannot be executed, and then
    /// nothing has changed.
    pub fn execute(
        &self,
        descriptors: &[(&str, BorrowedFd<'_>)],
        children: Vec<i32>,
    ) -> NoSuccessor {
        let Err(error) = self.try_to_execute(descriptors, children);
        for (_, fd) in descriptors {
            // They were open a moment ago.
            let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
        listen_to_signals();
        error
    }

    fn try_to_execute(
        &self,
        descriptors: &[(&str, BorrowedFd<'_>)],
        children: Vec<i32>,
    ) -> Result<Infallible, NoSuccessor> {
        let failed = |source: io::Error| NoSuccessor::Execute {
            program: self.program.clone(),
            source,
        };
        let named = |(name, fd): &(&str, BorrowedFd<'_>)| ((*name).to_owned(), fd.as_raw_fd());
        let handover = to_memory_file(&Handover {
            descriptors: descriptors.iter().map(named).collect(),
            children,
        })?;
        let program = text(self.program.clone().into()).map_err(failed)?;
        let arguments = self.arguments.iter().cloned().map(text);
        let arguments = arguments.collect::<io::Result<Vec<_>>>().map_err(failed)?;
        let environment = environment(&handover).map_err(failed)?;
        let inherit = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()));
        let inherited = descriptors
            .iter()
            .try_for_each(|(_, fd)| inherit(*fd).map(drop));
        inherited
            .and_then(|()| inherit(std::os::fd::AsFd::as_fd(&handover)))
            .and_then(|_| HELD_BACK.into_iter().collect::<SigSet>().thread_block())
            .and_then(|()| execve(&program, &arguments, &environment))
            .map_err(|errno| failed(errno.into()))
    }
}

/// Lets those signals come through that were held back for this program's start.
pub fn listen_to_signals() {
    let held_back: SigSet = HELD_BACK.into_iter().collect();
    // Fails for a set that is none, only.
    let _ = held_back.thread_unblock();
}

fn environment(handover: &OwnedFd) -> io::Result<Vec<CString>> {
    let kept = std::env::vars_os().filter(|(name, _)| {
        let mut dropped = FOR_ONE_PROCESS.iter();
        !dropped.any(|dropped| name == dropped)
    });
    let handover = (HANDOVER.into(), handover.as_raw_fd().to_string().into());
    kept.chain([handover])
        .map(|(mut variable, value): (OsString, OsString)| {
            variable.push("=");
            variable.push(value);
            text(variable)
        })
        .collect()
}

fn text(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}
