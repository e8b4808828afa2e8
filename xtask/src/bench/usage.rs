//! What processes and the machine used, from `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

/// CPU time of the whole machine since boot, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct MachineTime {
    pub(super) busy: f64,
    pub(super) softirq: f64,
}

/// # Errors
/// When `/proc` is not mounted.
pub(super) fn machine_time() -> Result<MachineTime> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let tick = microseconds_per_tick()?;
    let fields: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| Some(field.parse::<f64>().ok()? * tick))
        .collect();
    // proc(5): user nice system idle iowait irq softirq steal guest guest_nice
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields.as_slice() else {
        anyhow::bail!("/proc/stat begins with: {line}");
    };
    Ok(MachineTime {
        busy: user + nice + system + irq + softirq,
        softirq: *softirq,
    })
}

/// CPU time of a process and all its descendants, in microseconds.
///
/// # Errors
/// When the process is gone.
pub(super) fn cpu_time(pid: u32) -> Result<f64> {
    let stats = all_stats()?;
    let tick = microseconds_per_tick()?;
    let ticks = tree(&stats, pid)
        .iter()
        .filter_map(|member| stats.get(member))
        .map(|stat| stat.ticks)
        .sum::<f64>();
    anyhow::ensure!(stats.contains_key(&pid), "process {pid} is gone");
    Ok(ticks * tick)
}

/// CPU time of this process without its children, in microseconds.
///
/// # Errors
/// When `/proc` is not mounted.
pub(super) fn own_cpu_time() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let stat = parse_stat(&text).context("/proc/self/stat is malformed")?;
    Ok(stat.ticks * microseconds_per_tick()?)
}

/// Memory of some processes, in KiB.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) rss_kib: u64,
    /// Shared pages are divided among those who share them.
    pub(super) pss_kib: u64,
    pub(super) private_kib: u64,
}

/// Memory of these processes and all their descendants.
///
/// # Errors
/// When one of them is gone.
pub(super) fn memory(pids: &[u32]) -> Result<Memory> {
    let stats = all_stats()?;
    let mut sum = Memory::default();
    for pid in pids.iter().flat_map(|pid| tree(&stats, *pid)) {
        let one = memory_of(pid)?;
        sum.rss_kib += one.rss_kib;
        sum.pss_kib += one.pss_kib;
        sum.private_kib += one.private_kib;
    }
    Ok(sum)
}

/// Memory of one process.
///
/// # Errors
/// When it is gone.
pub(super) fn memory_of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(Memory {
        rss_kib: kib(&text, "Rss:"),
        pss_kib: kib(&text, "Pss:"),
        private_kib: kib(&text, "Private_Clean:") + kib(&text, "Private_Dirty:"),
    })
}

fn kib(rollup: &str, key: &str) -> u64 {
    rollup
        .lines()
        .filter_map(|line| line.strip_prefix(key))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

struct Stat {
    parent: u32,
    ticks: f64,
}

fn all_stats() -> Result<HashMap<u32, Stat>> {
    Ok(fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse_stat(&text)?))
        })
        .collect())
}

/// proc(5): the second field is the name, in parentheses that it may contain
/// too; from there the parent is the 2nd and utime and stime the 12th and 13th.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(1);
    let parent = fields.next()?.parse().ok()?;
    let mut times = fields.skip(9).map(str::parse::<f64>);
    Some(Stat {
        parent,
        ticks: times.next()?.ok()? + times.next()?.ok()?,
    })
}

fn tree(stats: &HashMap<u32, Stat>, root: u32) -> Vec<u32> {
    let children = stats
        .iter()
        .filter(|(_, stat)| stat.parent == root)
        .flat_map(|(pid, _)| tree(stats, *pid));
    std::iter::once(root).chain(children).collect()
}

fn microseconds_per_tick() -> Result<f64> {
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no clock tick")?;
    #[allow(clippy::cast_precision_loss, reason = "it is 100 or 1000")]
    let ticks = ticks as f64;
    Ok(1e6 / ticks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 2 0 5 6 7";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, 175.0));
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let here = std::process::id();
        let memory = memory(&[here]).unwrap();
        assert!(memory.rss_kib >= memory.pss_kib && memory.private_kib > 0);
        assert!(cpu_time(here).is_ok());
    }
}
