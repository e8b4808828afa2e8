use std::net::IpAddr;

use metadata_ebpf::decision::{
    Budgets, Connection, Decision, Rewrite, Sockets, guard, may_come_from_metadata,
    may_go_to_metadata, restore, steer,
};
use metadata_ebpf::flow::Flow;
use metadata_ebpf::guard::Guest;
use metadata_ebpf::{METADATA_ADDRESS, METADATA_ADDRESS_V6, METADATA_PORT, Verdict};

use super::second_opinion::{Segment, segment};

const PROXY_PORT: u16 = 9697;
/// More are not looked behind.
const MOST_EXTENSION_HEADERS: usize = 6;

/// The number of the namespace.
const NAMESPACE: u32 = 4_026_532_000;

/// A namespace in which these are the proxy's, and guests who may open no connection more.
struct Found {
    listener: bool,
    connection: Connection,
    is_anothers: bool,
    is_spent: bool,
}

impl Sockets for Found {
    fn listener(&self, _: &Flow) -> Option<u32> {
        self.listener.then_some(NAMESPACE)
    }

    fn connection(&self, _: &Flow, _: &[u8; 20]) -> Connection {
        self.connection
    }

    fn is_anothers(&self, _: &Flow) -> bool {
        self.is_anothers
    }
}

impl Budgets for Found {
    fn charge(&self, guest: &Guest) -> bool {
        assert_eq!(guest.namespace, NAMESPACE);
        !self.is_spent
    }

    fn are_spent(&self, guest: &Guest) -> bool {
        assert_eq!(guest.namespace, NAMESPACE);
        self.is_spent
    }
}

const ALL_OURS: Found = Found {
    listener: true,
    connection: Connection::Alive,
    is_anothers: false,
    is_spent: false,
};

/// The programs' decisions about a frame ([`metadata_ebpf::decision`]): a rewrite stays
/// inside of the frame and is made once; what a first glance dismisses is let through
/// unchanged; a segment that another parser finds reaches the proxy by the metadata
/// port only; and the guard drops nothing that steering would let in.
///
/// The first byte tells which sockets there are.
pub fn packet(data: &[u8]) {
    let Some((&sockets, frame)) = data.split_first() else {
        return;
    };
    steering(frame, &found(sockets));
    steering(frame, &ALL_OURS);
    guarding(frame, &found(sockets));
    restoring(frame);
}

fn found(byte: u8) -> Found {
    Found {
        listener: byte & 1 != 0,
        connection: match byte >> 1 & 3 {
            0 => Connection::None,
            1 => Connection::Over,
            _ => Connection::Alive,
        },
        is_anothers: byte & 8 != 0,
        is_spent: byte & 16 != 0,
    }
}

fn guarding(frame: &[u8], sockets: &Found) {
    let decision = guard(frame, sockets, sockets);
    assert_eq!(decision.rewrite, None);
    if !may_go_to_metadata(frame) {
        assert_passes(&decision);
    }
    if decision.verdict == Verdict::SurplusDroppedEarly && !sockets.is_anothers {
        let steered = steer(frame, sockets, sockets, PROXY_PORT);
        assert_eq!(steered.verdict, Verdict::SurplusDropped);
    }
}

fn steering(frame: &[u8], sockets: &Found) {
    let decision = steer(frame, sockets, sockets, PROXY_PORT);
    assert_is_sound(frame, &decision, Verdict::Steered);
    if !may_go_to_metadata(frame) {
        assert_passes(&decision);
    }
    if let Some(rewrite) = decision.rewrite {
        let rewritten = rewritten(frame, &rewrite);
        let again = steer(rewritten.as_slice(), sockets, sockets, PROXY_PORT);
        assert_eq!(again.verdict, Verdict::ProxyPortDropped);
    }
    if let Some(segment) = segment(frame)
        && is_metadata(segment.destination.0)
    {
        assert_is_led(&decision, &segment, sockets);
    }
}

/// A segment to the metadata address.
fn assert_is_led(decision: &Decision, segment: &Segment, sockets: &Found) {
    match segment.destination.1 {
        _ if segment.extension_headers > MOST_EXTENSION_HEADERS => {
            assert_eq!(decision.verdict, Verdict::TooManyHeadersDropped);
        }
        METADATA_PORT if is_everything_ours(sockets) => {
            assert_eq!(decision.verdict, Verdict::Steered);
            assert_is_at(decision, segment.offset + 2, segment.offset);
        }
        METADATA_PORT => assert!(matches!(
            decision.verdict,
            Verdict::Steered | Verdict::NotOursPassed | Verdict::SurplusDropped
        )),
        PROXY_PORT => assert_eq!(decision.verdict, Verdict::ProxyPortDropped),
        _ => assert_eq!(decision.verdict, Verdict::SteerPassed),
    }
}

fn is_everything_ours(sockets: &Found) -> bool {
    let is_whole = !sockets.is_anothers && !sockets.is_spent;
    sockets.listener && sockets.connection == Connection::Alive && is_whole
}

fn restoring(frame: &[u8]) {
    let decision = restore(frame, PROXY_PORT);
    let rewriting = match decision.verdict {
        Verdict::OverrideCleared => Verdict::OverrideCleared,
        _ => Verdict::Restored,
    };
    assert_is_sound(frame, &decision, rewriting);
    if !may_come_from_metadata(frame) {
        assert_passes(&decision);
    }
    if let Some(rewrite) = decision.rewrite {
        let again = restore(rewritten(frame, &rewrite).as_slice(), PROXY_PORT);
        assert_eq!(again.verdict, Verdict::RestorePassed);
    }
    if let Some(segment) = segment(frame)
        && is_metadata(segment.source.0)
        && segment.source.1 == PROXY_PORT
        && segment.extension_headers <= MOST_EXTENSION_HEADERS
    {
        assert_eq!(decision.verdict, Verdict::Restored);
        assert_is_at(&decision, segment.offset, segment.offset);
    }
}

/// The frame goes on as it came.
fn assert_passes(decision: &Decision) {
    assert!(!decision.verdict.drops() && decision.rewrite.is_none());
}

fn is_metadata(address: IpAddr) -> bool {
    [METADATA_ADDRESS.into(), METADATA_ADDRESS_V6.into()].contains(&address)
}

fn assert_is_at(decision: &Decision, port: usize, segment: usize) {
    let places = decision
        .rewrite
        .map(|rewrite| (rewrite.offset, rewrite.checksum_offset));
    assert_eq!(places, Some((port, segment + 16)));
}

fn assert_is_sound(frame: &[u8], decision: &Decision, rewriting: Verdict) {
    assert_eq!(decision.rewrite.is_some(), decision.verdict == rewriting);
    let Some(rewrite) = decision.rewrite else {
        return;
    };
    assert!(!decision.verdict.drops());
    let Rewrite {
        offset,
        checksum_offset,
        from,
        to,
    } = rewrite;
    assert_ne!(from, to);
    assert_eq!(word(frame, offset), Some(from));
    assert!(word(frame, checksum_offset).is_some());
    assert!(offset.abs_diff(checksum_offset) >= 2, "on one another");
}

fn word(frame: &[u8], offset: usize) -> Option<u16> {
    let bytes = frame.get(offset..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

fn rewritten(frame: &[u8], rewrite: &Rewrite) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(bytes) = frame.get_mut(rewrite.offset..rewrite.offset + 2) {
        bytes.copy_from_slice(&rewrite.to.to_be_bytes());
    }
    frame
}
