//! Running other programs, with errors that say which program and why.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::setsid;

/// Runs a program whose output the user may watch.
///
/// # Errors
/// When it cannot be started, or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs a program silently and returns what it printed on standard output.
///
/// # Errors
/// As [`run`]; the error quotes the program's standard error.
pub fn read(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        bail!(
            "`{}` failed: {}: {}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program silently, whatever its status.
///
/// # Errors
/// When it cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))
}

/// Lets a program run in the background, as an init system does: Ctrl-C is for
/// us, who then end it in good order, but it does not outlive us.
///
/// Its session is its own, as haproxy makes one for itself: Linux divides the
/// processors among sessions (sched(7), autogroup), and a comparison must not
/// depend on who shares ours.
pub fn in_background(command: &mut Command) {
    let detach = || {
        setsid()?;
        Ok(set_pdeathsig(Signal::SIGTERM)?)
    };
    // SAFETY: both calls are async-signal-safe, and nothing else happens between
    // fork and exec.
    unsafe { command.pre_exec(detach) };
}

/// Whether a program of this name is on the PATH, or where Debian keeps those
/// for administrators, which an ordinary user's PATH may lack.
#[must_use]
pub fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Where [`exists`] finds it.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
