//! What `/proc` says about a process.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use nix::libc;

/// How many files a process has open.
///
/// # Errors
/// When there is no such process.
pub fn open_files(pid: u32) -> Result<usize> {
    count(&format!("/proc/{pid}/fd"))
}

/// What a process's descriptors stand for (`socket:[1234]`, `net:[4026531840]`, a path), without
/// those that it closes meanwhile.
///
/// # Errors
/// When there is no such process.
pub fn descriptors(pid: u32) -> Result<Vec<String>> {
    listed(&format!("/proc/{pid}/fd"), |descriptor| {
        Ok(fs::read_link(descriptor)?.to_string_lossy().into_owned())
    })
}

/// The inodes of a process's sockets, each once.
///
/// # Errors
/// When there is no such process.
pub fn sockets(pid: u32) -> Result<BTreeSet<String>> {
    let inode = |descriptor: String| {
        let inode = descriptor.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    Ok(descriptors(pid)?.into_iter().filter_map(inode).collect())
}

/// Whether there is such a process. One that has ended and that nobody has waited for yet does
/// not count: some inits take seconds to bury what they adopted.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    status(pid, "State").is_ok_and(|state| !state.starts_with('Z'))
}

/// The signals that a process handles itself, one bit each, the first the lowest.
///
/// # Errors
/// When there is no such process.
pub fn caught_signals(pid: u32) -> Result<u64> {
    Ok(u64::from_str_radix(&status(pid, "SigCgt")?, 16)?)
}

/// How many threads a process has.
///
/// # Errors
/// When there is no such process.
pub fn threads(pid: u32) -> Result<usize> {
    count(&format!("/proc/{pid}/task"))
}

/// The processes that a process's first thread started, those that became its own included.
///
/// # Errors
/// When there is no such process.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.split_whitespace()
        .map(|child| Ok(child.parse()?))
        .collect()
}

/// A line of `/proc/<pid>/status`, without its name.
///
/// # Errors
/// When there is no such process or line.
pub fn status(pid: u32, field: &str) -> Result<String> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    value_of(field, &text).with_context(|| format!("no {field} in {path}"))
}

/// A line of `/proc/<pid>/task/<thread>/status` of each thread, without its name and without
/// threads that end meanwhile.
///
/// # Errors
/// When there is no such process or line.
pub fn status_of_threads(pid: u32, field: &str) -> Result<Vec<String>> {
    let threads = listed(&format!("/proc/{pid}/task"), |thread| {
        fs::read_to_string(thread.join("status"))
    })?;
    let values = threads.iter().map(|text| value_of(field, text));
    let values = values.collect::<Option<_>>();
    values.with_context(|| format!("no {field} in /proc/{pid}/task"))
}

/// The process that holds sockets for a daemon, which has started it.
///
/// # Errors
/// When there is none.
pub fn holder_of(daemon: u32) -> Result<u32> {
    let holder = children(daemon)?.into_iter().find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"holder")
    });
    holder.context("there is no holder")
}

/// The process that sees to a worker's end, which has started it.
///
/// # Errors
/// When there is none.
pub fn warden_of(worker: u32) -> Result<u32> {
    let warden = children(worker)?.into_iter().next();
    warden.context("there is no warden")
}

fn value_of(field: &str, status: &str) -> Option<String> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// What is seen of each entry of a directory that does not go before it is looked at.
fn listed<T>(directory: &str, look: impl Fn(&Path) -> io::Result<T>) -> Result<Vec<T>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {directory}"))?;
    let mut all = Vec::new();
    for entry in entries {
        match look(&entry?.path()) {
            Ok(seen) => all.push(seen),
            // ESRCH: the file of a thread that ended while it was open.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {directory}")),
        }
    }
    Ok(all)
}

fn count(directory: &str) -> Result<usize> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {directory}"))?;
    Ok(entries.count())
}
