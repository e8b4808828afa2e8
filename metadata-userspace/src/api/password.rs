//! The passwords that guests set for themselves (encrypted, by a Windows guest's
//! cloudbase-init), once an instance, kept across restarts.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// Bytes of the longest password, as many as Nova keeps.
pub(super) const MAX_PASSWORD_SIZE: usize = 1020;

/// A directory with one file an instance, named by the instance's UUID.
pub struct PasswordStore {
    directory: PathBuf,
    /// One temporary file at a time.
    writing: Mutex<()>,
}

/// What came of an attempt to set a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Now,
    AlreadySet,
}

impl PasswordStore {
    /// Makes the directory, for its owner only, where it is missing.
    ///
    /// # Errors
    /// The directory cannot be made or is none.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        Ok(Self {
            directory,
            writing: Mutex::new(()),
        })
    }

    /// The password of `instance`; none when it was never set.
    pub(super) fn read(&self, instance: Uuid) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(instance)) {
            Ok(password) => Ok(Some(password)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the password of `instance` unless it has one. An empty one sets nothing.
    pub(super) fn set(&self, instance: Uuid, password: &[u8]) -> io::Result<Stored> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.path(instance).try_exists()? {
            return Ok(Stored::AlreadySet);
        }
        if password.is_empty() {
            return Ok(Stored::Now);
        }
        let temporary = self.directory.join(format!(".new-{}", process::id()));
        write_new(&temporary, password)?;
        // Unlike a rename, a link never replaces what another daemon stored meanwhile.
        let linked = fs::hard_link(&temporary, self.path(instance));
        fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => {
                File::open(&self.directory)?.sync_all()?;
                Ok(Stored::Now)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Stored::AlreadySet),
            Err(error) => Err(error),
        }
    }

    fn path(&self, instance: Uuid) -> PathBuf {
        self.directory.join(instance.to_string())
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // A crash may have left one of another length.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    #[test]
    fn a_password_is_set_once_and_outlives_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/on/the/way");
        let store = PasswordStore::open(&path).unwrap();
        assert_eq!(store.read(ONE).unwrap(), None);
        assert_eq!(store.set(ONE, b"first").unwrap(), Stored::Now);
        assert_eq!(store.set(ONE, b"second").unwrap(), Stored::AlreadySet);
        assert_eq!(store.set(TWO, b"other").unwrap(), Stored::Now);

        let store = PasswordStore::open(&path).unwrap();
        assert_eq!(store.read(ONE).unwrap().unwrap(), b"first");
        assert_eq!(store.read(TWO).unwrap().unwrap(), b"other");
        assert_eq!(store.set(ONE, b"").unwrap(), Stored::AlreadySet);
    }

    #[test]
    fn an_empty_password_leaves_it_unset() {
        let directory = tempfile::tempdir().unwrap();
        let store = PasswordStore::open(directory.path()).unwrap();
        assert_eq!(store.set(ONE, b"").unwrap(), Stored::Now);
        assert_eq!(store.read(ONE).unwrap(), None);
        assert_eq!(store.set(ONE, b"real").unwrap(), Stored::Now);
    }

    #[test]
    fn only_the_owner_may_read_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        let store = PasswordStore::open(&path).unwrap();
        store.set(ONE, b"secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(ONE.to_string())), 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }
}
