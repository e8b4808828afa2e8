//! The inventory, which operators edit while the daemon runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::inotify::{DirectoryEvents, Happened};

pub(super) struct InventoryFile {
    pub(super) path: PathBuf,
    directory: DirectoryEvents,
}

impl InventoryFile {
    pub(super) fn watch(path: PathBuf) -> io::Result<Self> {
        // The directory: an editor puts a new file in the place of the old one.
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = DirectoryEvents::new(directory.unwrap_or(Path::new(".")))?;
        Ok(Self { path, directory })
    }

    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            match self.directory.next().await? {
                Happened::Names(names)
                    if !names
                        .iter()
                        .any(|name| Some(name.as_os_str()) == self.path.file_name()) => {}
                _ => return Ok(()),
            }
        }
    }
}
