//! Tells the user how far a command is.

use std::time::Instant;

/// Numbered steps on standard error, each with the time since the start.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    start: Instant,
}

impl Progress {
    /// Announces a command of `total` steps.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self {
            total,
            done: 0,
            start: Instant::now(),
        }
    }

    /// Says that the next step begins, and what it is.
    pub fn step(&mut self, what: &str) {
        self.done += 1;
        let seconds = self.start.elapsed().as_secs();
        eprintln!("[{}/{}] {what} ({seconds} s)", self.done, self.total);
    }
}
