//! The system's BPF file system.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};

use crate::process;

const SYSTEM: &str = "/sys/fs/bpf";

/// Mounts it where systemd would, once: of two daemons that start at the same
/// moment on a machine without it, each would mount one over the other's.
///
/// # Errors
/// When it cannot be mounted.
pub fn ensure_mounted() -> Result<()> {
    let path = Path::new("/run/metadatad-lab.lock");
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let _lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if is_mounted(Path::new(SYSTEM))? {
        return Ok(());
    }
    process::read(Command::new("mount").args(["-t", "bpf", "bpf", SYSTEM]))?;
    Ok(())
}

/// Whether a BPF file system is mounted exactly there.
///
/// # Errors
/// When the mounts cannot be read.
pub fn is_mounted(path: &Path) -> Result<bool> {
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    Ok(mounts.contains(&format!(" {} bpf ", path.display())))
}

/// A place where the daemon is to mount a BPF file system and to unmount it
/// again: unmounted on drop, in case that it did not.
#[derive(Debug)]
pub struct MountPoint(pub PathBuf);

impl Drop for MountPoint {
    fn drop(&mut self) {
        if is_mounted(&self.0).unwrap_or(false)
            && let Err(errno) = umount2(&self.0, MntFlags::MNT_DETACH)
        {
            eprintln!("warning: {} stays mounted: {errno}", self.0.display());
        }
    }
}
