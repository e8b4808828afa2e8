//! The socket buffer: reading and changing it.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;

use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::programs::TcContext;
use metadata_ebpf::decision::Rewrite;
use metadata_ebpf::packet::Frame;

use crate::linear::Linear;

/// `BPF_F_HDR_FIELD` bits of `bpf_l4_csum_replace`: the changed field is two
/// bytes wide. Without `BPF_F_PSEUDO_HDR`, the helper leaves the checksum of a
/// CHECKSUM_PARTIAL frame alone, which covers the pseudo header only.
const TWO_BYTE_FIELD: u64 = 2;

/// A frame in the kernel. Reading from it takes a helper, which finds also
/// what a driver has left in fragments.
pub(crate) struct Skb {
    ctx: TcContext,
}

/// Words on the stack, so that what is read is taken apart by words too.
#[repr(align(8))]
struct Aligned<T>(T);

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
        Linear::new(self.ctx.data(), self.ctx.data_end())
    }

    /// Where it came in, or goes out.
    #[inline(always)]
    pub(crate) fn interface(&self) -> u32 {
        // SAFETY: the context is valid while the program runs.
        unsafe { (*self.ctx.skb.skb).ifindex }
    }

    #[inline(always)]
    pub(crate) fn context(&self) -> &TcContext {
        &self.ctx
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
}
