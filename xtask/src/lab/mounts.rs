//! File systems that are full, read-only, or not there.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::daemon::Surroundings;

const NONE: Option<&str> = None;

/// A daemon that does not see what is mounted there. Namespaces that `ip netns` makes, it
/// sees.
#[derive(Debug)]
pub struct Without(pub PathBuf);

impl Surroundings for Without {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let place = self.0.clone();
        let unmount = move || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
            mount(NONE, "/", NONE, flags, NONE)?;
            umount2(&place, MntFlags::MNT_DETACH)?;
            Ok(())
        };
        // SAFETY: system calls, and nothing else, between fork and exec.
        unsafe { command.pre_exec(unmount) };
        Ok(())
    }
}

/// A small file system of our own; unmounted on drop.
#[derive(Debug)]
pub struct SmallFileSystem(TempDir);

impl SmallFileSystem {
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount(kib: u32) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("small-").tempdir()?;
        let options = format!("mode=0755,size={kib}k");
        mount(
            Some("small"),
            directory.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .context("cannot mount a tmpfs")?;
        Ok(Self(directory))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room in it.
    ///
    /// # Errors
    /// When there is no room even for that.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filling())?;
        while file.write_all(&[0; 512]).is_ok() {}
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it is not full of our own.
    pub fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filling())?)
    }

    fn filling(&self) -> PathBuf {
        self.path().join("filling")
    }

    /// Nobody can write to it any more, or everybody can again.
    ///
    /// # Errors
    /// When a file is open for writing.
    pub fn be_read_only(&self, is_read_only: bool) -> Result<()> {
        let flags = if is_read_only {
            MsFlags::MS_RDONLY
        } else {
            MsFlags::empty()
        };
        let flags = flags | MsFlags::MS_REMOUNT;
        mount(NONE, self.path(), NONE, flags, NONE).context("cannot mount it anew")
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        if let Err(errno) = umount2(self.path(), MntFlags::MNT_DETACH) {
            eprintln!("warning: {} stays mounted: {errno}", self.path().display());
        }
    }
}
