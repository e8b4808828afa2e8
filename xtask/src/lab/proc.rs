//! What `/proc` says about a process.

use std::fs;

use anyhow::{Context, Result};

/// How many files a process has open.
///
/// # Errors
/// When there is no such process.
pub fn open_files(pid: u32) -> Result<usize> {
    count(&format!("/proc/{pid}/fd"))
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
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("no {field} in {path}"))?;
    Ok(value.trim().to_owned())
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

fn count(directory: &str) -> Result<usize> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {directory}"))?;
    Ok(entries.count())
}
