/// What a program did with a frame, and why: the index into the counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ingress: not for the metadata address by TCP, or another port of it.
    SteerPassed = 0,
    /// Ingress: sent on to the proxy port.
    Steered = 1,
    /// Ingress: addressed the proxy port itself; dropped.
    ProxyPortDropped = 2,
    /// Ingress: TCP to the metadata address in a fragment that carries no
    /// whole TCP header; passed, since its port cannot be changed.
    FragmentPassed = 3,
    /// Ingress: headers end early or contradict each other; passed, the
    /// kernel's own checks reject it.
    SteerTruncated = 4,
    /// Ingress: more VLAN tags than are parsed; dropped, since the kernel
    /// strips priority tags to any depth and might deliver it unsteered.
    TooManyTagsDropped = 5,
    /// Ingress: the kernel could not make the headers writable; dropped, the
    /// guest sends again.
    SteerFailed = 6,
    /// Egress: not an answer of the proxy.
    RestorePassed = 7,
    /// Egress: an answer of the proxy, sent from the port the guest knows.
    Restored = 8,
    /// Egress: headers end early or contradict each other; passed.
    RestoreTruncated = 9,
    /// Egress: the kernel could not make the headers writable; dropped, the
    /// proxy's TCP sends again.
    RestoreFailed = 10,
}

impl Verdict {
    /// Every verdict, in the order of its index.
    pub const ALL: [Self; 11] = [
        Self::SteerPassed,
        Self::Steered,
        Self::ProxyPortDropped,
        Self::FragmentPassed,
        Self::SteerTruncated,
        Self::TooManyTagsDropped,
        Self::SteerFailed,
        Self::RestorePassed,
        Self::Restored,
        Self::RestoreTruncated,
        Self::RestoreFailed,
    ];

    /// The name that operators see in status, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SteerPassed => "steer_passed",
            Self::Steered => "steered",
            Self::ProxyPortDropped => "proxy_port_dropped",
            Self::FragmentPassed => "fragment_passed",
            Self::SteerTruncated => "steer_truncated",
            Self::TooManyTagsDropped => "too_many_tags_dropped",
            Self::SteerFailed => "steer_failed",
            Self::RestorePassed => "restore_passed",
            Self::Restored => "restored",
            Self::RestoreTruncated => "restore_truncated",
            Self::RestoreFailed => "restore_failed",
        }
    }

    /// Whether the frame is dropped.
    pub const fn drops(self) -> bool {
        matches!(
            self,
            Self::ProxyPortDropped
                | Self::TooManyTagsDropped
                | Self::SteerFailed
                | Self::RestoreFailed
        )
    }

    /// Whether the verdict concerns metadata, not merely traffic that passes
    /// by: only these are worth a log line.
    pub const fn is_noteworthy(self) -> bool {
        !matches!(self, Self::SteerPassed | Self::RestorePassed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_stands_at_its_own_index() {
        for (index, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, index, "{}", verdict.name());
        }
    }
}
