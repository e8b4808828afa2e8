//! Which namespaces' agents ended their shims, for the next daemon to know.
//!
//! A mark is an empty directory `<bpffs>/released/<cookie>`: it stays when a daemon ends,
//! and goes with the kernel that gave the namespace its cookie.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const RELEASED: &str = "released";

/// The marks.
#[derive(Debug)]
pub struct Released {
    directory: PathBuf,
    cookies: BTreeSet<u64>,
}

impl Released {
    /// Those that are there.
    pub(super) fn load(bpffs: &Path) -> Self {
        let directory = bpffs.join(RELEASED);
        let marks = fs::read_dir(&directory).into_iter().flatten().flatten();
        let cookies = marks.filter_map(|mark| mark.file_name().to_str()?.parse().ok());
        Self {
            cookies: cookies.collect(),
            directory,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    pub fn has(&self, cookie: u64) -> bool {
        self.cookies.contains(&cookie)
    }

    /// Marks the namespace with this cookie.
    pub fn mark(&mut self, cookie: u64) {
        if self.cookies.insert(cookie) {
            report(fs::create_dir_all(self.path(cookie)));
        }
    }

    /// Takes its mark away.
    pub fn unmark(&mut self, cookie: u64) {
        if self.cookies.remove(&cookie) {
            report(fs::remove_dir(self.path(cookie)));
        }
    }

    /// Takes the marks of all others away.
    pub fn keep_only(&mut self, live: &BTreeSet<u64>) {
        let stale: Vec<u64> = self.cookies.difference(live).copied().collect();
        stale.into_iter().for_each(|cookie| self.unmark(cookie));
    }

    fn path(&self, cookie: u64) -> PathBuf {
        self.directory.join(cookie.to_string())
    }
}

fn report(done: io::Result<()>) {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "cannot note for the next daemon which namespaces are released");
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_next_daemon_finds_the_marks() {
        let bpffs = tempfile::tempdir().unwrap();
        let mut released = Released::load(bpffs.path());
        assert!(released.is_empty());
        for cookie in [1, 2, 3] {
            released.mark(cookie);
        }
        released.unmark(2);
        let mut next = Released::load(bpffs.path());
        assert_eq!(
            [1, 2, 3].map(|cookie| next.has(cookie)),
            [true, false, true]
        );
        next.keep_only(&[3, 4].into());
        assert_eq!([1, 3].map(|cookie| next.has(cookie)), [false, true]);
        assert!(!Released::load(bpffs.path()).has(1));
    }
}
