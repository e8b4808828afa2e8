//! Text about namespaces, for the next daemon.
//!
//! A bpffs has no files of text. So a note is a symbolic link that leads nowhere,
//! `<bpffs>/shims/<namespace cookie>`, whose target is the text: it stays when a daemon ends,
//! and goes with the kernel that gave the namespace its cookie.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(super) const SHIMS: &str = "shims";
/// Not a dot: bpffs reserves names that contain one.
const UNFINISHED: &str = "-new";

/// One for each namespace that there is something to know of.
#[derive(Debug)]
pub struct Notes {
    directory: PathBuf,
    /// Cookies of those that an earlier daemon wrote, and nobody has asked for yet.
    left: BTreeSet<u64>,
}

impl Notes {
    /// Those that are there.
    pub(super) fn load(bpffs: &Path) -> Self {
        let directory = bpffs.join(SHIMS);
        let notes = fs::read_dir(&directory).into_iter().flatten().flatten();
        let cookies = notes.filter_map(|note| note.file_name().to_str()?.parse().ok());
        Self {
            left: cookies.collect(),
            directory,
        }
    }

    /// Whether earlier daemons wrote some that nobody has asked for yet.
    pub fn are_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// What an earlier daemon wrote about a namespace. It stays until it is written anew or
    /// erased.
    pub fn take(&mut self, cookie: u64) -> Option<String> {
        if !self.left.remove(&cookie) {
            return None;
        }
        self.read(cookie)
    }

    /// Puts a text in the place of what was written about a namespace.
    pub fn write(&mut self, cookie: u64, text: &str) {
        self.left.remove(&cookie);
        if self.read(cookie).is_none_or(|written| written != text) {
            report(self.replace(cookie, text));
        }
    }

    /// Nothing is to be known of a namespace any more.
    pub fn erase(&mut self, cookie: u64) {
        self.left.remove(&cookie);
        match fs::remove_file(self.path(cookie)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            erased => report(erased),
        }
    }

    /// Erases those that nobody has asked for.
    pub fn erase_left(&mut self) {
        let left = std::mem::take(&mut self.left);
        left.into_iter().for_each(|cookie| self.erase(cookie));
    }

    fn read(&self, cookie: u64) -> Option<String> {
        let text = fs::read_link(self.path(cookie)).ok()?;
        text.into_os_string().into_string().ok()
    }

    /// The name is never without a text.
    fn replace(&self, cookie: u64, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let unfinished = self.directory.join(format!("{cookie}{UNFINISHED}"));
        // Of a daemon that was killed just then.
        let _ = fs::remove_file(&unfinished);
        symlink(text, &unfinished)?;
        fs::rename(unfinished, self.path(cookie))
    }

    fn path(&self, cookie: u64) -> PathBuf {
        self.directory.join(cookie.to_string())
    }
}

fn report(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "cannot note for the next daemon what shims want");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_next_daemon_finds_what_was_written_last() {
        let bpffs = tempfile::tempdir().unwrap();
        let mut notes = Notes::load(bpffs.path());
        assert!(!notes.are_left());
        for (cookie, text) in [(1, "a/b.c"), (2, "two"), (3, "three"), (1, "{\"one\":1}")] {
            notes.write(cookie, text);
        }
        notes.erase(2);
        assert_eq!(notes.take(1), None, "no earlier daemon's");
        let mut next = Notes::load(bpffs.path());
        let taken = [1, 2].map(|cookie| next.take(cookie));
        assert_eq!(taken, [Some("{\"one\":1}".to_owned()), None]);
        assert!(next.are_left());
        next.erase_left();
        assert!(!next.are_left());
        let mut last = Notes::load(bpffs.path());
        assert_eq!(
            [1, 3].map(|cookie| last.take(cookie).is_some()),
            [true, false]
        );
    }
}
