//! The socket buffer: reading its linear part, changing it, speaking of it.

use core::ptr;

use aya_ebpf::programs::TcContext;
use aya_log_ebpf::info;
use metadata_ebpf::decision::{Decision, Flow, Rewrite};
use metadata_ebpf::packet::{Frame, MAX_HEADERS_SIZE};

/// `BPF_F_HDR_FIELD` bits of `bpf_l4_csum_replace`: the changed field is two
/// bytes wide. Without `BPF_F_PSEUDO_HDR`, the helper leaves the checksum of a
/// CHECKSUM_PARTIAL frame alone, which covers the pseudo header only.
const TWO_BYTE_FIELD: u64 = 2;

/// A frame in the kernel.
pub(crate) struct Skb {
    ctx: TcContext,
}

/// The bytes of a frame that can be read without a helper.
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Frame for Linear {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
        if at + N > self.end {
            return None;
        }
        // SAFETY: the N bytes lie between the packet's start and its end; the
        // verifier proves it again.
        Some(unsafe { ptr::read_unaligned(at as *const [u8; N]) })
    }
}

impl Skb {
    #[inline(always)]
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self { ctx }
    }

    /// Bytes of the whole frame.
    #[inline(always)]
    pub(crate) fn size(&self) -> u32 {
        self.ctx.len()
    }

    /// Void after any change to the frame.
    #[inline(always)]
    pub(crate) fn linear(&self) -> Linear {
        Linear {
            start: self.ctx.data(),
            end: self.ctx.data_end(),
        }
    }

    /// Moves the headers into the linear part where the driver left them in
    /// fragments; false if all of the frame was there already.
    #[inline(always)]
    pub(crate) fn pull_headers(&self) -> bool {
        let linear = (self.ctx.data_end() - self.ctx.data()) as u32;
        let wanted = self.size().min(MAX_HEADERS_SIZE as u32);
        linear < wanted && self.ctx.pull_data(wanted).is_ok()
    }

    /// Exchanges a port and adjusts the TCP checksum. After an error the frame
    /// may be half changed.
    #[inline(always)]
    pub(crate) fn rewrite_port(&self, rewrite: &Rewrite) -> Result<(), i64> {
        self.ctx.l4_csum_replace(
            rewrite.checksum_offset,
            u64::from(rewrite.from.to_be()),
            u64::from(rewrite.to.to_be()),
            TWO_BYTE_FIELD,
        )?;
        self.ctx.store(rewrite.port_offset, &rewrite.to.to_be(), 0)
    }

    /// Sets the masked bits of the skb mark.
    #[inline(always)]
    pub(crate) fn mark(&self, bits: u32, mask: u32) {
        // SAFETY: the context is valid while the program runs. Volatile, or
        // the compiler narrows the store to two bytes, which the verifier
        // refuses for this field.
        unsafe {
            let mark = &raw mut (*self.ctx.skb.skb).mark;
            let others = ptr::read_volatile(mark) & !mask;
            ptr::write_volatile(mark, others | (bits & mask));
        }
    }

    /// One log line for a verdict about metadata. The log level is a constant
    /// to the verifier, which removes all of this while the log is off.
    #[inline(always)]
    pub(crate) fn report(&self, decision: &Decision) {
        if !decision.verdict.is_noteworthy() {
            return;
        }
        // SAFETY: the context is valid while the program runs.
        let interface = unsafe { (*self.ctx.skb.skb).ifindex };
        let flow = decision.flow.unwrap_or(Flow::UNKNOWN);
        info!(
            &self.ctx,
            "{} {:i}:{} -> {:i}:{} on interface {}",
            decision.verdict.name(),
            flow.source,
            flow.source_port,
            flow.destination,
            flow.destination_port,
            interface,
        );
    }
}
