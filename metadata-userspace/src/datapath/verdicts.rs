//! Reading the programs' counters.

use aya::Ebpf;
use aya::maps::PerCpuArray;
use metadata_ebpf::{Verdict, VerdictCounter, name};
use serde::{Deserialize, Serialize};

use super::error::DatapathError;

/// What became of some frames, since the counters were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCount {
    /// [`Verdict::name`].
    pub verdict: String,
    pub packets: u64,
    /// Frame bytes; a GSO frame counts as one packet with all its bytes.
    pub bytes: u64,
}

pub(super) fn read(ebpf: &Ebpf) -> Result<Vec<VerdictCount>, DatapathError> {
    let map = ebpf
        .map(name::VERDICTS)
        .ok_or(DatapathError::Incomplete(name::VERDICTS))?;
    let counters: PerCpuArray<_, VerdictCounter> = map.try_into()?;
    Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let per_cpu = counters.get(&(verdict as u32), 0)?;
            Ok(VerdictCount {
                verdict: verdict.name().to_owned(),
                packets: per_cpu.iter().map(|counter| counter.packets).sum(),
                bytes: per_cpu.iter().map(|counter| counter.bytes).sum(),
            })
        })
        .collect()
}
