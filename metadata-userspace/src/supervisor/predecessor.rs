//! What an earlier daemon still holds when its supervisor was killed and nobody keeps its
//! sockets: its worker finishes what is under way and then leaves.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid};

use super::worker_process::ENDED_AFTER;
use crate::tcp_tables;

const INTERVAL: Duration = Duration::from_millis(20);
/// A worker's name, as its process has it, and what it was told to be.
const NAME: &[u8] = b"metadatad\n";
const ORDER: &[u8] = b"worker";
/// How long such a worker may take, and a moment for its process to end.
pub const LEAVES_WITHIN: Duration = ENDED_AFTER.saturating_add(Duration::from_secs(2));

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

/// Who of such workers may be what listens at this TCP port, as text; `None` if none of them.
pub fn suspects(port: u16) -> Option<String> {
    if !is_of_this_user(port) {
        return None;
    }
    if are_processes_hidden() {
        return Some("/proc does not show them all: it has `hidepid`".to_owned());
    }
    let workers = workers(Path::new("/proc"));
    (!workers.is_empty()).then(|| format!("processes {}", workers.join(", ")))
}

/// proc(5). Without an option for it, all see all.
fn are_processes_hidden() -> bool {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo");
    mounts.map_or(true, |mounts| mounts.contains("hidepid="))
}

/// The processes that are workers of this or any other daemon, or may be. One that is about to
/// end has no command line any more, but its name, and for a moment its sockets.
fn workers(proc: &Path) -> Vec<String> {
    let is_worker = |process: &Path| {
        let read = |file| fs::read(process.join(file)).unwrap_or_default();
        let command = read("cmdline");
        let order = command.split(|&byte| byte == 0).nth(1);
        read("comm") == NAME && order.is_none_or(|order| order == ORDER)
    };
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let workers = processes.filter(|process| is_worker(&process.path()));
    workers
        .filter_map(|process| process.file_name().into_string().ok())
        .collect()
}

/// Whether whoever listens at this TCP port may be a worker. The kernel tells who opened a
/// socket, and those of workers their supervisor opens.
fn is_of_this_user(port: u16) -> bool {
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
    fn workers_are_known_by_name_and_command_line() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, name, command) in [
            ("1", "systemd\n", "/sbin/init\0"),
            ("2", "metadatad\n", "metadatad\0worker\0--uid\0"),
            ("3", "metadatad\n", "/usr/local/sbin/metadatad\0run\0"),
            ("4", "haproxy\n", "haproxy\0worker\0"),
            ("5", "metadatad\n", ""),
        ] {
            let process = proc.path().join(pid);
            fs::create_dir(&process).unwrap();
            fs::write(process.join("comm"), name).unwrap();
            fs::write(process.join("cmdline"), command).unwrap();
        }
        let mut workers = workers(proc.path());
        workers.sort();
        assert_eq!(workers, ["2", "5"]);
    }

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
            assert!(is_of_this_user(port(&ours)));
            assert!(!is_of_this_user(port(&theirs)));
            drop(ours);
        }
    }
}
