//! The eBPF object inside this binary, and how it gets into the kernel.

use aya::maps::MapInfo;
use aya::maps::MapType;
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use metadata_ebpf::{Verdict, VerdictCounter, name};

use super::error::DatapathError;
use super::pins::Pins;
use super::verdict_log;
use crate::config::DatapathConfig;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/metadatad.bpf.o"));

/// Loads both programs. What the configuration says goes into globals that
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
    for program in [name::STEER, name::RESTORE] {
        program_mut(&mut ebpf, program)?.load()?;
    }
    Ok(ebpf)
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
    for program in [name::STEER, name::RESTORE] {
        let loaded = program_mut(ebpf, program)?;
        pins.replace(&pins.program(program), |path| loaded.pin(path))?;
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
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(DatapathError::Incomplete(name))
}

pub(super) fn program_id(ebpf: &Ebpf, name: &'static str) -> Result<u32, DatapathError> {
    Ok(program(ebpf, name)?.info()?.id())
}
