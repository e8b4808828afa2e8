//! What a daemon logged.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Daemon;
use crate::lab::wait;

const LIMIT: Duration = Duration::from_secs(30);

impl Daemon {
    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.path("log")).map_or_else(
            |error| format!("(no log: {error})"),
            |log| String::from_utf8_lossy(&log).into_owned(),
        )
    }

    /// Waits until a line of the log has all of `parts`, and returns it: the
    /// worker keeps lines back for some milliseconds.
    ///
    /// # Errors
    /// When there is no such line after a while.
    pub fn wait_log(&self, parts: &[&str]) -> Result<String> {
        let mut found = None;
        wait::until(&format!("a log line with {parts:?}"), LIMIT, || {
            let log = self.log();
            let mut lines = log.lines();
            found = lines
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned);
            Ok(found.is_some())
        })?;
        found.context("the line is gone")
    }

    /// Forgets what it logged so far.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn clear_log(&self) -> Result<()> {
        // The daemon appends, so its next line is the first again.
        let log = File::options().write(true).open(self.path("log"))?;
        Ok(log.set_len(0)?)
    }

    pub(super) fn last_line(&self) -> String {
        let log = self.log();
        log.lines().next_back().unwrap_or_default().to_owned()
    }

    pub(super) fn print_log(&self) {
        eprintln!("--- log of metadatad:\n{}---", self.log());
    }
}
