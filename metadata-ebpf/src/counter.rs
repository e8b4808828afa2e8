/// What one CPU has counted for one verdict.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounter {
    pub packets: u64,
    /// Frame bytes, link-layer header included; a GSO frame counts once.
    pub bytes: u64,
    /// Bytes of the longest frame.
    #[cfg(feature = "next-abi")]
    pub longest: u64,
}

// SAFETY: repr(C), nothing but u64 and no padding: every bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for VerdictCounter {}
