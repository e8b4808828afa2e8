//! The system's BPF file system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};

use crate::{privilege, process};

const SYSTEM: &str = "/sys/fs/bpf";
/// In the place of a device, to know what is to be unmounted.
const OURS: &str = "metadatad-lab";
/// What the kernel itself puts into each one (kernel/bpf/inode.c, `populate_bpffs`).
const OF_THE_KERNEL: [&str; 2] = ["maps.debug", "progs.debug"];

/// Mounts it where systemd would, once: of two daemons that start at the same
/// moment on a machine without it, each would mount one over the other's.
///
/// # Errors
/// When it cannot be mounted.
pub fn ensure_mounted() -> Result<()> {
    // As daemons do (metadata-userspace/src/datapath/pins.rs).
    let file = File::open(SYSTEM).with_context(|| format!("cannot open {SYSTEM}"))?;
    let _lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if is_mounted(Path::new(SYSTEM))? {
        return Ok(());
    }
    process::read(Command::new("mount").args(["-t", "bpf", OURS, SYSTEM]))?;
    Ok(())
}

/// Unmounts what [`ensure_mounted`] mounted, in this process or another, unless something is
/// pinned there.
///
/// # Errors
/// When it cannot be unmounted.
pub fn unmount_if_unused() -> Result<()> {
    if !mounts()?.contains(&format!("{OURS} {SYSTEM} bpf ")) || is_used()? {
        return Ok(());
    }
    // Whoever still has a directory of it open does not hinder this.
    process::read(privilege::as_root("umount")?.args(["--lazy", SYSTEM]))?;
    Ok(())
}

fn is_used() -> Result<bool> {
    for entry in fs::read_dir(SYSTEM)? {
        let name = entry?.file_name();
        if !OF_THE_KERNEL.iter().any(|own| name == *own) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn mounts() -> Result<String> {
    fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")
}

/// Whether a BPF file system is mounted exactly there.
///
/// # Errors
/// When the mounts cannot be read.
pub fn is_mounted(path: &Path) -> Result<bool> {
    Ok(mounts()?.contains(&format!(" {} bpf ", path.display())))
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
