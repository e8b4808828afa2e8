//! What the unit leaves a daemon: no more is left to one that is tried.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use caps::{CapSet, CapsHashSet};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

const UNIT: &str = include_str!("../../../../dist/metadatad.service");

/// Has a command start its program with the unit's capabilities, as far as this process has
/// them, with its mask of modes and its limit of locked memory.
pub(super) fn confine(command: &mut Command) -> Result<()> {
    let kept = capabilities()?;
    let mut dropped = caps::read(None, CapSet::Bounding)?;
    dropped.retain(|capability| !kept.contains(capability));
    let mask = Mode::from_bits_truncate(u32::from_str_radix(setting("UMask")?, 8)?);
    let limit = setting("LimitMEMLOCK")?;
    ensure!(limit == "infinity", "LimitMEMLOCK={limit} is not tried");
    let confine = move || {
        umask(mask);
        // Where it may not be raised, the kernel should be one that counts no maps (5.11).
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
        let mut dropped = dropped.iter().copied();
        dropped
            .try_for_each(|capability| caps::drop(None, CapSet::Bounding, capability))
            .map_err(io::Error::other)
    };
    // SAFETY: system calls, and an allocation when one fails, which glibc's fork leaves possible.
    unsafe { command.pre_exec(confine) };
    Ok(())
}

fn capabilities() -> Result<CapsHashSet> {
    let names = setting("CapabilityBoundingSet")?.split_whitespace();
    names.map(|name| Ok(name.parse()?)).collect()
}

fn setting(name: &str) -> Result<&'static str> {
    let mut lines = UNIT.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.with_context(|| format!("the unit has no {name}="))
}
