//! The directory of the cloud: its data, configuration, logs and programs.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;

use crate::repository;

/// A socket's path has at most 107 bytes, and the longest of ours has 33.
const MAX_LENGTH: usize = 107 - 33;

/// `target/openstack`. Only root reads what is in it, except Neutron's state, through
/// which metadatad's worker connects to the agent's socket.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    /// The place, whether it exists or not.
    pub(super) fn here() -> Self {
        Self {
            root: repository::target().join("openstack"),
        }
    }

    /// Makes the directories that services expect.
    pub(super) fn make(&self) -> Result<()> {
        if self.root.as_os_str().len() > MAX_LENGTH {
            bail!(
                "the path {} is too long for Unix sockets below it: {MAX_LENGTH} bytes at most; \
                 set CARGO_TARGET_DIR to a shorter one",
                self.root.display()
            );
        }
        let for_root =
            ["bin", "conf", "done", "helpers", "log", "run", "nova"].map(|name| (name, 0o700));
        // The last is the place itself.
        let for_passing = ["neutron", ""].map(|name| (name, 0o711));
        for (name, mode) in for_root.into_iter().chain(for_passing) {
            let path = self.path(name);
            fs::create_dir_all(&path)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
                .with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(())
    }

    /// Lets one command at a time work on the cloud.
    pub(super) fn lock(&self) -> Result<Flock<File>> {
        let path = self.root.with_extension("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            bail!("another `cargo xtask openstack` is at work: wait for its end");
        };
        Ok(lock)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn exists(&self) -> bool {
        self.root.exists()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A path as configuration files hold it.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A program of the Python environment.
    pub(super) fn program(&self, name: &str) -> String {
        self.text(&format!("venv/bin/{name}"))
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Reads what a helper wrote as JSON.
    pub(super) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not valid", path.display()))
    }

    /// Does what is to be done once in the life of the data directory.
    pub(super) fn once(&self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let mark = format!("done/{name}");
        if self.path(&mark).exists() {
            return Ok(());
        }
        work()?;
        self.write(&mark, "").map(drop)
    }
}
