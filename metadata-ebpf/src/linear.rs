//! The bytes of a frame that can be read without a helper.

use core::mem;
use core::ptr;

use metadata_ebpf::packet::Frame;

/// From the packet's start to its end, as a program's context has them.
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    #[inline(always)]
    pub(crate) fn size(&self) -> u32 {
        (self.end - self.start) as u32
    }
}

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
