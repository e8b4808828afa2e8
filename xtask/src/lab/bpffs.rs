//! The system's BPF file system.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

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
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    if mounts.contains(&format!(" {SYSTEM} bpf ")) {
        return Ok(());
    }
    process::read(Command::new("mount").args(["-t", "bpf", "bpf", SYSTEM]))?;
    Ok(())
}
