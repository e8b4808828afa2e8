//! Learning, without polling, that the directory of namespaces changed.
//!
//! `ip netns add` creates a file and then mounts the namespace on it. The first
//! is an inotify event; the second is only seen by whoever polls
//! `/proc/self/mountinfo`, which the kernel marks exceptional on every change
//! of the mount table (proc(5)).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::async_fd;
use crate::inotify::{DirectoryEvents, Happened};

/// What may have changed since the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These names appeared, went, or were given to another namespace.
    Names(BTreeSet<OsString>),
    /// Something was mounted somewhere: a namespace that was not ready may be.
    Mounts,
    /// Events were lost; everything has to be looked at again.
    Everything,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot watch {path}: {source}")]
pub struct WatchError {
    path: PathBuf,
    source: io::Error,
}

/// Watches one directory of namespaces.
pub struct DirectoryWatch {
    names: DirectoryEvents,
    mounts: AsyncFd<OwnedFd>,
}

impl DirectoryWatch {
    /// Starts to watch `directory`, and makes it where it is missing: iproute2
    /// makes it no earlier than the first namespace.
    ///
    /// Must be called inside a tokio runtime.
    pub fn new(directory: &Path) -> Result<Self, WatchError> {
        let failed = |path: &Path, source: io::Error| WatchError {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
        let names = DirectoryEvents::new(directory).map_err(|error| failed(directory, error))?;
        let mounts = watch_mounts().map_err(|error| failed(Path::new(MOUNTINFO), error))?;
        Ok(Self { names, mounts })
    }

    /// The next change. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> io::Result<Change> {
        tokio::select! {
            happened = self.names.next() => happened.map(|happened| match happened {
                Happened::Names(names) => Change::Names(names),
                Happened::Overflow => Change::Everything,
            }),
            mounts = mounts_changed(&self.mounts) => mounts.map(|()| Change::Mounts),
        }
    }
}

const MOUNTINFO: &str = "/proc/self/mountinfo";

fn watch_mounts() -> io::Result<AsyncFd<OwnedFd>> {
    // mountinfo is always readable; only the exceptional condition says "changed".
    async_fd::register(File::open(MOUNTINFO)?.into(), Interest::PRIORITY)
}

async fn mounts_changed(mounts: &AsyncFd<OwnedFd>) -> io::Result<()> {
    // There is nothing to read: epoll's own look at the file acknowledges the
    // change (mounts_poll in the kernel's fs/proc_namespace.c).
    mounts.ready(Interest::PRIORITY).await?.clear_ready();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn next(watch: &mut DirectoryWatch) -> Option<Change> {
        timeout(Duration::from_millis(200), watch.changed())
            .await
            .ok()
            .map(Result::unwrap)
    }

    #[tokio::test]
    async fn files_that_come_and_go_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = DirectoryWatch::new(directory.path()).unwrap();
        let name: BTreeSet<OsString> = ["qrouter-1".into()].into();
        std::fs::write(directory.path().join("qrouter-1"), "").unwrap();
        assert_eq!(next(&mut watch).await, Some(Change::Names(name.clone())));
        std::fs::remove_file(directory.path().join("qrouter-1")).unwrap();
        assert_eq!(next(&mut watch).await, Some(Change::Names(name)));
    }

    #[tokio::test]
    async fn a_missing_directory_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("netns");
        DirectoryWatch::new(&directory).unwrap();
        assert!(directory.is_dir());
    }
}
