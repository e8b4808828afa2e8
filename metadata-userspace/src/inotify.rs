//! Names that appear, change or go in one directory, as an async source.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::async_fd;
use crate::rights::act_on;

/// What happened in the directory since the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Something happened to these names.
    Names(BTreeSet<OsString>),
    /// So much that events were lost.
    Overflow,
}

/// Watches one directory, not what is below it.
pub struct DirectoryEvents {
    inotify: Inotify,
    ready: AsyncFd<OwnedFd>,
}

impl DirectoryEvents {
    /// Needs a tokio runtime.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ONLYDIR;
        act_on(directory, |path| Ok(inotify.add_watch(path, flags)?))?;
        let ready = async_fd::register(inotify.as_fd().try_clone_to_owned()?, Interest::READABLE)?;
        Ok(Self { inotify, ready })
    }

    /// The next events. Dropping the future loses none.
    pub async fn next(&self) -> io::Result<Happened> {
        loop {
            let mut ready = self.ready.readable().await?;
            match self.inotify.read_events() {
                Ok(events) => {
                    let overflow = events
                        .iter()
                        .any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
                    if overflow {
                        return Ok(Happened::Overflow);
                    }
                    return Ok(Happened::Names(
                        events.into_iter().filter_map(|event| event.name).collect(),
                    ));
                }
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
