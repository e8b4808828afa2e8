//! The eBPF object inside this binary, and how it gets into the kernel.

use aya::maps::{Array, MapInfo, MapType};
use aya::programs::{Program, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use metadata_ebpf::guard::Limits;
use metadata_ebpf::{Verdict, VerdictCounter, name};

use super::error::DatapathError;
use super::pins::Pins;
use super::verdict_log;
use crate::config::DatapathConfig;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/metadatad.bpf.o"));

/// The programs that TC runs.
const CLASSIFIERS: [&str; 2] = [name::STEER, name::RESTORE];
/// All programs.
const PROGRAMS: [&str; 3] = [name::STEER, name::RESTORE, name::GUARD];
/// Maps that every load has anew.
const OWN_MAPS: [&str; 2] = [name::GUESTS, name::LIMITS];

/// Loads the programs. What the configuration says goes into globals that
/// are frozen before the verifier runs: it folds them into constants and
/// removes every branch that they rule out, the log first of all.
pub(super) fn load(config: &DatapathConfig, pins: &Pins) -> Result<Ebpf, DatapathError> {
    let log_level = verdict_log::level(config.log_verdicts);
    let mut loader = EbpfLoader::new();
    loader
        // The programs read no kernel structure, so the kernel's BTF (some
        // megabytes to parse) is not needed, nor one that carries it.
        .btf(None)
        .override_global(name::PROXY_PORT, &config.proxy_port, true)
        .override_global(name::ACCESS_MARK, &config.access_mark, true)
        .override_global(aya_log::LEVEL, &log_level, true);
    let verdicts = pins.map(name::VERDICTS);
    if holds_verdicts(&verdicts) {
        loader.map_pin_path(name::VERDICTS, verdicts);
    }
    let mut ebpf = loader.load(OBJECT).map_err(|source| DatapathError::Load {
        source: Box::new(source),
    })?;
    for program in CLASSIFIERS {
        program_mut(&mut ebpf, program)?.load()?;
    }
    guard_mut(&mut ebpf)?.load()?;
    set_limits(&mut ebpf, config)?;
    Ok(ebpf)
}

/// In a map and not in globals: operators can read them there.
fn set_limits(ebpf: &mut Ebpf, config: &DatapathConfig) -> Result<(), DatapathError> {
    let limits = Limits {
        connections_per_second: config.guard.connections_per_second,
        burst: config.guard.burst,
    };
    let map = ebpf
        .map_mut(name::LIMITS)
        .ok_or(DatapathError::Incomplete(name::LIMITS))?;
    Ok(Array::try_from(map)?.set(0, limits, 0)?)
}

/// Whether a map of an earlier daemon is pinned there and has our shape.
fn holds_verdicts(pin: &std::path::Path) -> bool {
    MapInfo::from_pin(pin).is_ok_and(|map| {
        matches!(map.map_type(), Ok(MapType::PerCpuArray))
            && map.key_size() as usize == size_of::<u32>()
            && map.value_size() as usize == size_of::<VerdictCounter>()
            && map.max_entries() as usize == Verdict::ALL.len()
    })
}

/// Pins programs and maps, each in place of an earlier one in one step.
pub(super) fn pin(ebpf: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    for name in PROGRAMS {
        let loaded = any_mut(ebpf, name)?;
        pins.replace(&pins.program(name), |path| loaded.pin(path))?;
    }
    for name in OWN_MAPS {
        let map = ebpf.map(name).ok_or(DatapathError::Incomplete(name))?;
        pins.replace(&pins.map(name), |path| map.pin(path))?;
    }
    let verdicts = ebpf
        .map(name::VERDICTS)
        .ok_or(DatapathError::Incomplete(name::VERDICTS))?;
    let path = pins.map(name::VERDICTS);
    if !path.exists() || !holds_verdicts(&path) {
        pins.replace(&path, |path| verdicts.pin(path))?;
    }
    Ok(())
}

pub(super) fn program<'a>(
    ebpf: &'a Ebpf,
    name: &'static str,
) -> Result<&'a SchedClassifier, DatapathError> {
    ebpf.program(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(DatapathError::Incomplete(name))
}

pub(super) fn program_mut<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, DatapathError> {
    any_mut(ebpf, name)?
        .try_into()
        .map_err(|_| DatapathError::Incomplete(name))
}

pub(super) fn guard(ebpf: &Ebpf) -> Result<&Xdp, DatapathError> {
    ebpf.program(name::GUARD)
        .and_then(|program| program.try_into().ok())
        .ok_or(DatapathError::Incomplete(name::GUARD))
}

fn guard_mut(ebpf: &mut Ebpf) -> Result<&mut Xdp, DatapathError> {
    any_mut(ebpf, name::GUARD)?
        .try_into()
        .map_err(|_| DatapathError::Incomplete(name::GUARD))
}

fn any_mut<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Program, DatapathError> {
    ebpf.program_mut(name)
        .ok_or(DatapathError::Incomplete(name))
}

pub(super) fn program_id(ebpf: &Ebpf, name: &'static str) -> Result<u32, DatapathError> {
    let program = ebpf.program(name).ok_or(DatapathError::Incomplete(name))?;
    Ok(program.info()?.id())
}
