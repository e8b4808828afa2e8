//! A process that does not outlive who started it, also if a test fails.

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};

use anyhow::{Context, Result};

/// Killed and waited for on drop, if it has not ended.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// # Errors
    /// When there is no such program.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn();
        child
            .map(Self)
            .with_context(|| format!("cannot start {}", command.get_program().display()))
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Neither does anything to one that was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
