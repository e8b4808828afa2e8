//! The socket buffer: reading it, changing it, speaking of it.

use core::ffi::c_void;
use core::mem::{self, MaybeUninit};
use core::ptr;

use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::programs::TcContext;
use aya_log_ebpf::info;
use metadata_ebpf::decision::{Decision, Rewrite};
use metadata_ebpf::flow::Family;
use metadata_ebpf::packet::Frame;

/// `BPF_F_HDR_FIELD` bits of `bpf_l4_csum_replace`: the changed field is two
/// bytes wide. Without `BPF_F_PSEUDO_HDR`, the helper leaves the checksum of a
/// CHECKSUM_PARTIAL frame alone, which covers the pseudo header only.
const TWO_BYTE_FIELD: u64 = 2;

/// A frame in the kernel. Reading from it takes a helper, which finds also
/// what a driver has left in fragments.
pub(crate) struct Skb {
    ctx: TcContext,
}

/// The bytes of a frame that can be read without a helper.
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

/// Words on the stack, so that what is read is taken apart by words too.
#[repr(align(8))]
struct Aligned<T>(T);

impl Frame for Linear {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + offset;
        if at + N > self.end {
            return None;
        }
        // SAFETY: the N bytes lie between the packet's start and its end; the
        // verifier proves it again. An IP header stands at a multiple of four
        // bytes on machines that mind (NET_IP_ALIGN), so a read of all bytes
        // at once, at an offset that suits, is aligned.
        Some(unsafe {
            match N {
                2 => mem::transmute_copy(&ptr::read(at as *const u16)),
                4 => mem::transmute_copy(&ptr::read(at as *const u32)),
                _ => ptr::read_unaligned(at as *const [u8; N]),
            }
        })
    }
}

impl Frame for Skb {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<Aligned<[u8; N]>>::uninit();
        let to: *mut c_void = bytes.as_mut_ptr().cast();
        // SAFETY: the context is valid, and there is room for N bytes.
        let result = unsafe { bpf_skb_load_bytes(self.as_ptr(), offset as u32, to, N as u32) };
        // SAFETY: the helper has written all N bytes.
        (result == 0).then(|| unsafe { bytes.assume_init() }.0)
    }
}

impl Skb {
    #[inline(always)]
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self { ctx }
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.ctx.skb.skb.cast()
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

    /// Exchanges two bytes and adjusts the checksum. After an error the frame
    /// may be half changed.
    #[inline(always)]
    pub(crate) fn rewrite(&self, rewrite: &Rewrite) -> Result<(), i64> {
        self.ctx.l4_csum_replace(
            rewrite.checksum_offset,
            u64::from(rewrite.from.to_be()),
            u64::from(rewrite.to.to_be()),
            TWO_BYTE_FIELD,
        )?;
        self.ctx.store(rewrite.offset, &rewrite.to.to_be(), 0)
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
        let name = decision.verdict.name();
        let flow = decision.flow;
        match flow.family {
            Family::Ipv4 => info!(
                &self.ctx,
                "{} {:i}:{} -> {:i}:{} on interface {}",
                name,
                flow.source.ipv4(),
                flow.source_port,
                flow.destination.ipv4(),
                flow.destination_port,
                interface,
            ),
            Family::Ipv6 => info!(
                &self.ctx,
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
}
