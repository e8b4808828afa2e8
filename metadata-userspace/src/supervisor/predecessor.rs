//! What an earlier daemon still holds when its supervisor was killed and nobody keeps its
//! sockets: its worker finishes what is under way and then leaves.

use std::fmt::Display;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::worker_process::DRAIN_LIMIT;

const INTERVAL: Duration = Duration::from_millis(20);

/// Waits as long as `is_held`, and not longer than such a worker may take.
pub fn wait_while(address: &dyn Display, mut is_held: impl FnMut() -> bool) {
    if !is_held() {
        return;
    }
    let limit = DRAIN_LIMIT + Duration::from_secs(2);
    tracing::warn!(
        %address,
        ?limit,
        "still in use, as by the worker of a daemon that was killed; waiting for it to leave"
    );
    let start = Instant::now();
    while is_held() && start.elapsed() < limit {
        sleep(INTERVAL);
    }
}

/// Whether a process has ended, be it reaped or not.
pub fn has_ended(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    // Its entry in /proc may be hidden from us.
    matches!(state, Some('Z' | 'X')) || kill(pid, None) == Err(Errno::ESRCH)
}
