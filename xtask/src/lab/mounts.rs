//! File systems that only one daemon sees: full ones, read-only ones, or none.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::daemon::Surroundings;
use crate::process;

const NONE: Option<&str> = None;

/// What is different there.
#[derive(Clone, Debug)]
pub enum Difference {
    /// An empty file system of so many KiB.
    Small(PathBuf, u32),
    /// An empty file system to which nobody can write.
    ReadOnly(PathBuf),
    /// What is mounted there is not.
    Unmounted(PathBuf),
}

/// A mount namespace of its own. Namespaces that `ip netns` makes are seen in it.
#[derive(Debug)]
pub struct Mounts(pub Vec<Difference>);

impl Surroundings for Mounts {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let differences = self.0.clone();
        let make = move || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
            mount(NONE, "/", NONE, flags, NONE)?;
            differences.iter().try_for_each(Difference::make)?;
            Ok(())
        };
        // SAFETY: system calls, and allocations, which glibc's fork leaves possible.
        unsafe { command.pre_exec(make) };
        Ok(())
    }
}

impl Difference {
    fn make(&self) -> nix::Result<()> {
        let tmpfs = |path: &Path, flags, options: &str| {
            mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options))
        };
        match self {
            Self::Small(path, kib) => {
                tmpfs(path, MsFlags::empty(), &format!("mode=0755,size={kib}k"))
            }
            Self::ReadOnly(path) => tmpfs(path, MsFlags::MS_RDONLY, "mode=0755"),
            Self::Unmounted(path) => umount2(path, MntFlags::MNT_DETACH),
        }
    }
}

/// Mounts anew, with other options, what a running process sees at `path`.
///
/// # Errors
/// When the kernel refuses.
pub fn remount(pid: u32, path: &Path, options: &str) -> Result<()> {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--mount", "mount"]);
    command
        .args(["-o", &format!("remount,{options}")])
        .arg(path);
    process::read(&mut command).map(drop)
}

/// A file as a running process sees it.
#[must_use]
pub fn seen_by(pid: u32, path: &Path) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    Path::new("/proc")
        .join(pid.to_string())
        .join("root")
        .join(below)
}
