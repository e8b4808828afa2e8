//! Every map and global of the programs.

use aya_ebpf::Global;
use aya_ebpf::btf_maps::{Array, LruHashMap, PerCpuArray};
use aya_ebpf::macros::btf_map;
use metadata_ebpf::guard::{Budget, Guest, Limits};
use metadata_ebpf::{Verdict, VerdictCounter};

/// What became of the frames; one slot a verdict.
#[btf_map(name = "verdicts")]
static VERDICTS: PerCpuArray<VerdictCounter, { Verdict::ALL.len() }> = PerCpuArray::new();

/// Guests that opened connections lately. Whoever is forgotten for another has a whole
/// budget again, as is right for one that was quiet; one that floods is not quiet.
const GUESTS_AT_ONCE: usize = 16_384;

#[btf_map(name = "guests")]
pub(crate) static GUESTS: LruHashMap<Guest, Budget, GUESTS_AT_ONCE> = LruHashMap::new();

/// Filled by metadatad after loading.
#[btf_map(name = "limits")]
pub(crate) static LIMITS: Array<Limits, 1> = Array::new();

/// Set by metadatad before loading.
#[unsafe(no_mangle)]
pub(crate) static PROXY_PORT: Global<u16> = Global::new(9697);

/// Set by metadatad before loading.
#[unsafe(no_mangle)]
pub(crate) static ACCESS_MARK: Global<u16> = Global::new(1);

/// Adds one frame to a verdict's counter on this CPU.
#[inline(always)]
pub(crate) fn count(verdict: Verdict, bytes: u32) {
    let Some(counter) = VERDICTS.get_ptr_mut(verdict as u32) else {
        return;
    };
    // SAFETY: the slot belongs to this CPU, and a program is not preempted by
    // another one on it; the map outlives the program.
    let counter = unsafe { &mut *counter };
    counter.packets += 1;
    counter.bytes = if cfg!(feature = "next-code") {
        counter.bytes.saturating_add(bytes.into())
    } else {
        counter.bytes + u64::from(bytes)
    };
    #[cfg(feature = "next-abi")]
    {
        counter.longest = counter.longest.max(bytes.into());
    }
}
