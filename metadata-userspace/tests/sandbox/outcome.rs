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

    fn heard(output: &Output, said: &str) -> Result<Self> {
        if output.status.signal() == Some(libc::SIGSYS) {
            return Ok(Self::Killed);
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the attempt's process ended with {}: {said}", output.status);
        }
        match said.trim() {
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

/// An attempt that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// The version that restricted it; 0: none did.
    pub(crate) landlock: u32,
}

/// Before what a process prints of its attempt, if it is in the sandbox.
const LANDLOCK: &str = "landlock ";

pub(crate) fn print_landlock(version: u32) {
    println!("{LANDLOCK}{version}");
}

impl Ended {
    pub(crate) fn heard(output: &Output) -> Result<Self> {
        let text = String::from_utf8_lossy(&output.stdout);
        let (landlock, said) = match text.strip_prefix(LANDLOCK) {
            Some(rest) => rest.split_once('\n').context("half a line")?,
            None => ("0", &*text),
        };
        Ok(Self {
            outcome: Outcome::heard(output, said)?,
            landlock: landlock.parse()?,
        })
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
