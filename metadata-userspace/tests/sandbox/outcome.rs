//! How an attempt ends, and how one process tells another.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused(Errno),
    /// The kernel ended the process.
    Killed,
}

/// What a process prints that comes to the end of its attempt.
const DONE: &str = "done";

impl Outcome {
    pub(crate) fn of(made: nix::Result<()>) -> Self {
        match made {
            Ok(()) => Self::Done,
            Err(errno) => Self::Refused(errno),
        }
    }

    pub(crate) fn print(self) {
        match self {
            Self::Done => println!("{DONE}"),
            Self::Refused(errno) => println!("{}", errno as i32),
            Self::Killed => {}
        }
    }

    pub(crate) fn heard(output: &Output) -> Result<Self> {
        if output.status.signal() == Some(libc::SIGSYS) {
            return Ok(Self::Killed);
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the attempt's process ended with {}: {said}", output.status);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        match text.trim() {
            DONE => Ok(Self::Done),
            errno => {
                let errno = errno
                    .parse()
                    .with_context(|| format!("it said {errno:?}"))?;
                Ok(Self::Refused(Errno::from_raw(errno)))
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("it was done"),
            Self::Refused(errno) => write!(f, "it was refused ({errno})"),
            Self::Killed => f.write_str("the process was killed"),
        }
    }
}
