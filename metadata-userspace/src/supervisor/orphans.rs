//! Workers of the program whose place this one took: they are our children, and
//! nobody else can see them end.

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
    pub fn new(workers: Vec<i32>) -> Self {
        Self(Rc::new(RefCell::new(workers)))
    }

    pub fn pids(&self) -> Vec<i32> {
        self.0.borrow().clone()
    }

    /// Returns when the last one has ended.
    pub async fn reap(self) -> io::Result<()> {
        let mut child_ended = signal(SignalKind::child())?;
        loop {
            self.0.borrow_mut().retain(|pid| lives(*pid));
            if self.0.borrow().is_empty() {
                return Ok(());
            }
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
