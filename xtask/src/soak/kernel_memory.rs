//! What the kernel holds on behalf of one daemon: its control group's memory.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::daemon::Surroundings;
use crate::lab::service_manager::aloft;
use crate::lab::{unique, wait};

const VERSION_1: &str = "/sys/fs/cgroup/memory";
const VERSION_2: &str = "/sys/fs/cgroup";
/// A worker may take 10 s to finish what it has.
const LIMIT: Duration = Duration::from_secs(15);

/// A control group, removed on drop, when its processes have ended.
#[derive(Debug)]
pub(super) struct KernelMemory {
    group: PathBuf,
    is_version_1: bool,
}

impl KernelMemory {
    /// `None` where control groups cannot be made.
    pub(super) fn create() -> Result<Option<Self>> {
        let is_version_1 = Path::new(VERSION_1).is_dir();
        let parent = if is_version_1 { VERSION_1 } else { VERSION_2 };
        let group = Path::new(parent).join(format!("metadatad-soak-{}", unique::tag()?));
        Ok(fs::create_dir(&group).ok().map(|()| Self {
            group,
            is_version_1,
        }))
    }

    /// KiB that cannot be reclaimed at once.
    pub(super) fn kib(&self) -> Result<u64> {
        // Caches are no leak. The kernel may find nothing to reclaim, which it calls an error.
        let _ = if self.is_version_1 {
            self.write("memory.force_empty", "0")
        } else {
            self.write("memory.reclaim", "1G")
        };
        let bytes = if self.is_version_1 {
            self.read("memory.kmem.usage_in_bytes")?.trim().parse()?
        } else {
            let statistics = self.read("memory.stat")?;
            let kernel = statistics
                .lines()
                .find_map(|line| line.strip_prefix("kernel "));
            kernel
                .context("no line `kernel` in memory.stat")?
                .parse::<u64>()?
        };
        Ok(bytes / 1024)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.group.join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.group.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Surroundings for KernelMemory {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let members = File::options()
            .write(true)
            .open(self.group.join("cgroup.procs"))?;
        let members = aloft(members)?;
        let join = move || {
            // Whoever writes 0 joins.
            Ok(nix::unistd::write(&members, b"0").map(drop)?)
        };
        // SAFETY: nothing but write(2) happens between fork and exec.
        unsafe { command.pre_exec(join) };
        Ok(())
    }
}

impl Drop for KernelMemory {
    fn drop(&mut self) {
        let removed = wait::until("the control group is empty", LIMIT, || {
            Ok(fs::remove_dir(&self.group).is_ok())
        });
        if removed.is_err() {
            eprintln!("warning: {} stays", self.group.display());
        }
    }
}
