//! Children that nobody waits for: the holder of sockets, and workers of the program whose
//! place this one took.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

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
            child_ended.recv().await;
        }
    }
}

fn lives(pid: i32) -> bool {
    matches!(
        waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}
