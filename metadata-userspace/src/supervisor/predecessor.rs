//! What an earlier daemon still holds when its supervisor was killed and nobody keeps its
//! sockets: its worker finishes what is under way and then leaves.

use std::fmt::Display;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid};

use super::worker_process::DRAIN_LIMIT;
use crate::tcp_tables;

const INTERVAL: Duration = Duration::from_millis(20);
/// How long such a worker may take, and a moment for its process to end.
pub const LEAVES_WITHIN: Duration = DRAIN_LIMIT.saturating_add(Duration::from_secs(2));

/// Waits as long as `is_held`, and not longer than such a worker may take. `why` says whom
/// for.
pub fn wait_while(address: &dyn Display, why: &str, mut is_held: impl FnMut() -> bool) {
    if !is_held() {
        return;
    }
    tracing::warn!(
        %address,
        limit = ?LEAVES_WITHIN,
        "{why}; waiting for it to leave"
    );
    let start = Instant::now();
    while is_held() && start.elapsed() < LEAVES_WITHIN {
        sleep(INTERVAL);
    }
}

/// Whether such a worker may be what listens at this TCP port. The kernel tells who opened
/// a socket, and those of workers their supervisor opens.
pub fn may_have(port: u16) -> bool {
    let tables: Vec<String> = tcp_tables::read().collect();
    let listeners = tables.iter().flat_map(|table| tcp_tables::listeners(table));
    let mut there = listeners.filter(|one| one.port == port).peekable();
    there.peek().is_none() || there.any(|one| one.uid == Uid::effective().as_raw())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::TcpListener;

    use nix::unistd::Gid;

    use super::*;
    use crate::rights::as_user;

    #[test]
    fn what_another_user_listens_on_is_no_workers() {
        let stranger = (Uid::from_raw(54_321), Gid::from_raw(54_321));
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bind = || TcpListener::bind(address);
            let (ours, theirs) = (
                bind().unwrap(),
                as_user(stranger.0, stranger.1, bind).unwrap(),
            );
            let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
            assert!(may_have(port(&ours)));
            assert!(!may_have(port(&theirs)));
            drop(ours);
        }
    }
}
