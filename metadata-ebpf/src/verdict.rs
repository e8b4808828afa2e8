/// What a program did with a frame, and why: the index into the counters.
///
/// Frames that merely pass by, neither to nor from the metadata address, have
/// none: counting them would cost each as much as all the rest.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ingress: sent on to the proxy port.
    Steered = 0,
    /// Ingress: TCP to port 80 of the metadata address, where the proxy does
    /// not listen, or of a connection that it does not have; passed, since
    /// somebody else may serve it.
    NotOursPassed = 1,
    /// Ingress: for the metadata address, but not by TCP to its port.
    SteerPassed = 2,
    /// Ingress: addressed the proxy port itself; dropped.
    ProxyPortDropped = 3,
    /// Ingress: TCP to the metadata address in a fragment that carries no
    /// whole TCP header; passed, since its port cannot be changed.
    FragmentPassed = 4,
    /// Ingress: headers end early or contradict each other; passed, the
    /// kernel's own checks reject it.
    SteerTruncated = 5,
    /// Ingress: more VLAN tags than are parsed; dropped, since the kernel
    /// strips priority tags to any depth and might deliver it unsteered.
    TooManyTagsDropped = 6,
    /// Ingress: to the metadata address with more IPv6 extension headers than
    /// are parsed; dropped, since the kernel might find the proxy port behind.
    TooManyHeadersDropped = 7,
    /// Ingress: somebody asked if the IPv6 metadata address is taken, before
    /// taking it himself; dropped, so that several hosts of one network can
    /// each have it.
    DuplicateDetectionDropped = 8,
    /// Ingress: the kernel could not make the headers writable; dropped, the
    /// guest sends again.
    SteerFailed = 9,
    /// Egress: from the metadata address, but no answer of the proxy.
    RestorePassed = 10,
    /// Egress: an answer of the proxy, sent from the port the guest knows.
    Restored = 11,
    /// Egress: a neighbour advertisement for the IPv6 metadata address, which
    /// leaves alone what guests have learnt of another host that has it too.
    OverrideCleared = 12,
    /// Egress: headers end early or contradict each other; passed.
    RestoreTruncated = 13,
    /// Egress: the kernel could not make the headers writable; dropped, the
    /// proxy's TCP or the kernel's neighbour discovery sends again.
    RestoreFailed = 14,
    /// Ingress: the guest has opened too many connections lately; dropped, its TCP
    /// asks again after a second.
    SurplusDropped = 15,
    /// XDP: passed on, to the metadata address.
    GuardPassed = 16,
    /// XDP: as [`Self::SurplusDropped`], before there was a socket buffer.
    SurplusDroppedEarly = 17,
    /// XDP: to the metadata address, with headers that end early or contradict
    /// themselves; dropped.
    MalformedDropped = 18,
}

impl Verdict {
    /// Every verdict, in the order of its index.
    pub const ALL: [Self; 19] = [
        Self::Steered,
        Self::NotOursPassed,
        Self::SteerPassed,
        Self::ProxyPortDropped,
        Self::FragmentPassed,
        Self::SteerTruncated,
        Self::TooManyTagsDropped,
        Self::TooManyHeadersDropped,
        Self::DuplicateDetectionDropped,
        Self::SteerFailed,
        Self::RestorePassed,
        Self::Restored,
        Self::OverrideCleared,
        Self::RestoreTruncated,
        Self::RestoreFailed,
        Self::SurplusDropped,
        Self::GuardPassed,
        Self::SurplusDroppedEarly,
        Self::MalformedDropped,
    ];

    /// The name that operators see in status, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steered => "steered",
            Self::NotOursPassed => "not_ours_passed",
            Self::SteerPassed => "steer_passed",
            Self::ProxyPortDropped => "proxy_port_dropped",
            Self::FragmentPassed => "fragment_passed",
            Self::SteerTruncated => "steer_truncated",
            Self::TooManyTagsDropped => "too_many_tags_dropped",
            Self::TooManyHeadersDropped => "too_many_headers_dropped",
            Self::DuplicateDetectionDropped => "duplicate_detection_dropped",
            Self::SteerFailed => "steer_failed",
            Self::RestorePassed => "restore_passed",
            Self::Restored => "restored",
            Self::OverrideCleared => "override_cleared",
            Self::RestoreTruncated => "restore_truncated",
            Self::RestoreFailed => "restore_failed",
            Self::SurplusDropped => "surplus_dropped",
            Self::GuardPassed => "guard_passed",
            Self::SurplusDroppedEarly => "surplus_dropped_early",
            Self::MalformedDropped => "malformed_dropped",
        }
    }

    /// Whether the frame is dropped.
    pub const fn drops(self) -> bool {
        matches!(
            self,
            Self::ProxyPortDropped
                | Self::TooManyTagsDropped
                | Self::TooManyHeadersDropped
                | Self::DuplicateDetectionDropped
                | Self::SteerFailed
                | Self::RestoreFailed
                | Self::SurplusDropped
                | Self::SurplusDroppedEarly
                | Self::MalformedDropped
        )
    }

    /// Whether the verdict is worth a log line.
    pub const fn is_noteworthy(self) -> bool {
        !matches!(
            self,
            Self::SteerPassed | Self::RestorePassed | Self::GuardPassed
        )
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
