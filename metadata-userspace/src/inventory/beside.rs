//! The files that an inventory names.

use std::io;
use std::path::{Path, PathBuf};

use crate::rights::{Way, Whose};

/// What an inventory may name: a relative path is looked for beside it.
pub(super) struct Beside<'a> {
    pub(super) directory: &'a Path,
    /// Of whoever has a say in the inventory, who may not have anybody else's files served.
    pub(super) whose: &'a Whose,
}

impl Beside<'_> {
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Way::named_by(self.whose, path)?.act(|path| std::fs::read(path))
    }
}
