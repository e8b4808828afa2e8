//! Children that nobody waits for: the holder of sockets, workers of the program whose place
//! this one took, and, where this is the first process of a container, the wardens of workers
//! that have ended: what loses its parent becomes that one's child (pid_namespaces(7)).

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::worker::warden;

/// Those that have not ended yet.
#[derive(Clone, Debug, Default)]
pub struct Orphans(Rc<RefCell<Vec<i32>>>);

impl Orphans {
    pub fn new(children: Vec<i32>) -> Self {
        Self(Rc::new(RefCell::new(children)))
    }

    pub fn pids(&self) -> Vec<i32> {
        self.0.borrow().clone()
    }

    pub fn add(&self, child: u32) {
        self.0.borrow_mut().extend(i32::try_from(child));
    }

    /// Notices their ends, as long as the process lives.
    pub async fn reap(self) -> io::Result<()> {
        let mut child_ended = signal(SignalKind::child())?;
        loop {
            self.0.borrow_mut().retain(|pid| lives(*pid));
            for warden in wardens() {
                lives(warden);
            }
            child_ended.recv().await;
        }
    }
}

/// Those that are children of this process.
fn wardens() -> Vec<i32> {
    if Pid::this() != Pid::from_raw(1) {
        return Vec::new();
    }
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let children = threads
        .flatten()
        .flat_map(|thread| children(&thread.path()));
    children.filter(|pid| is_warden(*pid)).collect()
}

fn children(thread: &Path) -> Vec<i32> {
    let numbers = fs::read_to_string(thread.join("children")).unwrap_or_default();
    let numbers = numbers.split_ascii_whitespace();
    numbers.flat_map(str::parse).collect()
}

fn is_warden(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim_end().as_bytes() == warden::NAME.to_bytes())
}

/// Of one that does not, nothing is left after the question.
fn lives(pid: i32) -> bool {
    matches!(
        waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}
