//! Speaking of a verdict.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::info;
use metadata_ebpf::decision::Decision;
use metadata_ebpf::flow::Family;

/// One log line for a verdict about metadata. The log level is a constant
/// to the verifier, which removes all of this while the log is off.
#[inline(always)]
pub(crate) fn report<C: EbpfContext>(context: &C, interface: u32, decision: &Decision) {
    if !decision.verdict.is_noteworthy() {
        return;
    }
    let name = decision.verdict.name();
    let flow = decision.flow;
    match flow.family {
        Family::Ipv4 => info!(
            context,
            "{} {:i}:{} -> {:i}:{} on interface {}",
            name,
            flow.source.ipv4(),
            flow.source_port,
            flow.destination.ipv4(),
            flow.destination_port,
            interface,
        ),
        Family::Ipv6 => info!(
            context,
            "{} [{:i}]:{} -> [{:i}]:{} on interface {}",
            name,
            flow.source.ipv6(),
            flow.source_port,
            flow.destination.ipv6(),
            flow.destination_port,
            interface,
        ),
    }
}
