//! What a daemon holds when it rests.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::plant::Plant;
use super::processes::{Process, Role};
use super::trend::Kind;
use crate::lab::proc;
use crate::process;

/// One thing that could leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn count(name: &'static str) -> Measure {
    Measure {
        name,
        kind: Kind::Count,
    }
}

const fn kib(name: &'static str) -> Measure {
    Measure {
        name,
        kind: Kind::Kib,
    }
}

/// All of one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) processes: Vec<Process>,
    pub(super) values: Vec<(Measure, u64)>,
}

impl Sample {
    pub(super) fn take(plant: &Plant, at: Duration) -> Result<Self> {
        let mut values = Vec::new();
        let processes = plant.processes();
        let mut threads = 0;
        for process in &processes {
            let pid = process.pid;
            let [files, anonymous, pss] = names_of(process.role);
            let memory = Memory::of(pid)?;
            threads += proc::threads(pid)?;
            values.push((files, u64::try_from(proc::open_files(pid)?)?));
            values.push((anonymous, memory.anonymous));
            values.push((pss, memory.pss));
        }
        values.push((count("processes"), u64::try_from(processes.len())?));
        values.push((count("threads of all"), u64::try_from(threads)?));
        if let Some(holder) = plant.holder() {
            let kept = u64::try_from(proc::sockets(holder)?.len())?;
            values.push((count("sockets that the holder keeps"), kept));
        }
        let kept = plant.manager.kept().len();
        values.push((
            count("descriptors that the service manager keeps"),
            u64::try_from(kept)?,
        ));
        let bpffs = plant.daemon.bpffs();
        values.push((count("pins"), pins(bpffs)?));
        let (programs, maps) = loaded(bpffs)?;
        values.push((count("eBPF programs that use our maps"), programs));
        values.push((count("eBPF maps of these"), maps));
        if let Some(kernel) = plant.kernel_kib()? {
            values.push((kib("kernel memory, KiB"), kernel));
        }
        values.sort_by_key(|(measure, _)| measure.name);
        Ok(Self {
            at,
            processes,
            values,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} s", self.at.as_secs())?;
        self.values
            .iter()
            .try_for_each(|(measure, value)| write!(f, ", {} {value}", measure.name))
    }
}

fn names_of(role: Role) -> [Measure; 3] {
    match role {
        Role::Supervisor => [
            count("supervisor: open files"),
            kib("supervisor: anonymous memory, KiB"),
            kib("supervisor: PSS, KiB"),
        ],
        Role::Worker => [
            Measure {
                name: "worker: open files",
                kind: Kind::Pool,
            },
            kib("worker: anonymous memory, KiB"),
            kib("worker: PSS, KiB"),
        ],
        Role::Warden => [
            count("warden: open files"),
            kib("warden: anonymous memory, KiB"),
            kib("warden: PSS, KiB"),
        ],
        Role::Holder => [
            count("holder: open files"),
            kib("holder: anonymous memory, KiB"),
            kib("holder: PSS, KiB"),
        ],
    }
}

struct Memory {
    anonymous: u64,
    pss: u64,
}

impl Memory {
    fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.with_context(|| format!("no {key} in {path}"))
        };
        Ok(Self {
            anonymous: value("Anonymous:")?,
            pss: value("Pss:")?,
        })
    }
}

fn pins(directory: &Path) -> Result<u64> {
    let mut all = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        all += if path.is_dir() { pins(&path)? } else { 1 };
    }
    Ok(all)
}

/// Programs that use our maps, which outlive every daemon, and the maps of these programs:
/// of any daemon's loads, also those that are pinned nowhere.
fn loaded(bpffs: &Path) -> Result<(u64, u64)> {
    let mut ours = BTreeSet::new();
    for version in fs::read_dir(bpffs)? {
        let map = version?.path().join("maps/verdicts");
        if map.exists() {
            let map = bpftool(&["map", "show", "pinned", &map.to_string_lossy()])?;
            ours.extend(map.get("id").and_then(Value::as_u64));
        }
    }
    let programs = bpftool(&["prog", "show"])?;
    let maps_of = |program: &Value| -> Vec<u64> {
        let ids = program.get("map_ids").and_then(Value::as_array);
        ids.into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect()
    };
    let (mut count, mut maps) = (0, BTreeSet::new());
    for program in programs.as_array().into_iter().flatten() {
        let ids = maps_of(program);
        if ids.iter().any(|id| ours.contains(id)) {
            count += 1;
            maps.extend(ids);
        }
    }
    Ok((count, u64::try_from(maps.len())?))
}

fn bpftool(arguments: &[&str]) -> Result<Value> {
    let text = process::read(Command::new("bpftool").arg("--json").args(arguments))?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}
