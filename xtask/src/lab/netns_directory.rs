//! The directory of namespaces of another host: the same names once more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

use super::namespace::Namespace;

/// A directory in which namespaces have names of their own; emptied on drop.
#[derive(Debug)]
pub struct NetnsDirectory(TempDir);

impl NetnsDirectory {
    /// A directory without namespaces.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("netns-").tempdir()?;
        Ok(Self(directory))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives a namespace this name here, as `ip netns` would.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn name(&self, namespace: &Namespace, name: &str) -> Result<()> {
        let path = self.path().join(name);
        File::create(&path)?;
        let none = None::<&Path>;
        mount(Some(&namespace.path()), &path, none, MsFlags::MS_BIND, none)
            .with_context(|| format!("cannot mount {}", path.display()))
    }

    fn names(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl Drop for NetnsDirectory {
    fn drop(&mut self) {
        for path in self.names() {
            if let Err(error) = umount2(&path, MntFlags::MNT_DETACH) {
                eprintln!("warning: {}: {error}", path.display());
            }
        }
    }
}
