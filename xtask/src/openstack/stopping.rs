//! Ending what was started, and nothing else.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::Place;
use super::record::Record;
use super::service::MARK;
use crate::lab::wait;

/// Databases need a moment; Neutron's RPC server would wait for half a minute.
const GRACE: Duration = Duration::from_secs(8);
/// What is killed ends when it next runs, and a processor may be long in coming.
const KILLED: Duration = Duration::from_secs(30);

/// Asks a service to end.
pub(super) fn ask(record: &Record) -> Result<()> {
    if record.is_alive() {
        send(record.pid, Signal::SIGTERM)?;
    }
    Ok(())
}

/// Ends a service: asks it, and after a while insists.
pub(super) fn stop(place: &Place, name: &str, record: &Record) -> Result<()> {
    ask(record)?;
    if record.is_alive() {
        let gone = || Ok(!record.is_alive());
        if wait::until(name, GRACE, gone).is_err() {
            send(record.pid, Signal::SIGKILL)?;
            wait::until(&format!("{name} ends when killed"), KILLED, gone)?;
        }
    }
    Record::remove(place, name)
}

/// Ends every process that has the cloud's mark: children that outlived a
/// service, and those that Neutron's agents left on purpose, its haproxies.
pub(super) fn sweep(place: &Place) -> Result<()> {
    end_marked(place, |_| true)
}

/// Ends those of them whose command line is wanted.
pub(super) fn end_marked(place: &Place, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    let wanted = || {
        let mut pids = marked(place);
        pids.retain(|pid| is_wanted(&command_line(*pid)));
        pids
    };
    for (signal, limit) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, KILLED)] {
        for pid in wanted() {
            send(pid, signal)?;
        }
        let none = || Ok(wanted().is_empty());
        if wait::until("the cloud's processes end", limit, none).is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("these processes do not end: {:?}", wanted())
}

fn command_line(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

/// The processes of this cloud.
pub(super) fn marked(place: &Place) -> Vec<u32> {
    let mut mark = format!("{MARK}=").into_bytes();
    mark.extend(place.root().as_os_str().as_bytes());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| has(*pid, &mark))
        .collect()
}

fn has(pid: u32, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == mark)
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(pid.try_into()?), signal) {
        // It ended by itself meanwhile.
        Err(Errno::ESRCH) => Ok(()),
        outcome => Ok(outcome?),
    }
}
