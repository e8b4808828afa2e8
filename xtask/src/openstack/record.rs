//! Which process is which service: its pid and when it started, so that a pid
//! that the kernel gave to somebody else is never taken for ours.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::lab::proc;

/// A service that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pid: u32,
    /// Clock ticks after boot.
    started: u64,
    /// Of everything that made it what it is; another one means to restart it.
    pub(super) fingerprint: u64,
}

impl Record {
    /// Of a process that was just started.
    pub(super) fn of(pid: u32, fingerprint: u64) -> Result<Self> {
        Ok(Self {
            pid,
            started: start_time(pid)?,
            fingerprint,
        })
    }

    pub(super) fn load(place: &Place, service: &str) -> Option<Self> {
        place.read_json(&file_name(service)).ok()
    }

    pub(super) fn save(&self, place: &Place, service: &str) -> Result<()> {
        let text = serde_json::to_string(self)?;
        place.write(&file_name(service), &text).map(drop)
    }

    pub(super) fn remove(place: &Place, service: &str) -> Result<()> {
        let path: PathBuf = place.path(&file_name(service));
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Whether the process that was recorded is still there.
    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid).is_ok_and(|started| started == self.started)
    }
}

fn file_name(service: &str) -> String {
    format!("run/{service}.json")
}

/// When a process started.
fn start_time(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let stat = Stat::parse(&text).with_context(|| format!("{path} is malformed"))?;
    // Neutron's agents: the first thread ends before those that serve.
    if stat.first_thread_ended && proc::threads(pid)? <= 1 {
        bail!("process {pid} has ended");
    }
    Ok(stat.started)
}

struct Stat {
    first_thread_ended: bool,
    started: u64,
}

impl Stat {
    /// proc(5): the third field is the state, the 22nd the start time; the second
    /// is a name in parentheses that may hold blanks and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            first_thread_ended: matches!(fields.next()?, "Z" | "X"),
            started: fields.nth(18)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let rest = "1 2 3 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 12345 678 9";
        let stat = Stat::parse(&format!("7 (a ) b) S {rest}")).unwrap();
        assert_eq!((stat.started, stat.first_thread_ended), (12345, false));
        let stat = Stat::parse(&format!("7 (x) Z {rest}")).unwrap();
        assert!(stat.first_thread_ended);
        assert!(Stat::parse("7").is_none());
    }

    #[test]
    fn our_own_process_is_alive_and_another_of_its_pid_is_not() {
        let mut record = Record::of(std::process::id(), 0).unwrap();
        assert!(record.is_alive());
        record.started += 1;
        assert!(!record.is_alive());
    }
}
