#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::RefCell;

use super::*;
use crate::METADATA_PORT;
use crate::guard::Guest;

const PROXY_PORT: u16 = 9697;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const RST: u8 = 0x04;
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 5];

/// A namespace where these are the proxy's.
#[derive(Clone, Copy)]
struct Found {
    listener: bool,
    connection: Connection,
    is_anothers: bool,
}

/// The number of that namespace.
const NAMESPACE: u32 = 4_026_532_000;

const ALL_OURS: Found = Found {
    listener: true,
    connection: Connection::Alive,
    is_anothers: false,
};

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

/// Guests who have so much left, each, and who asked.
struct Left {
    connections: u32,
    asked: RefCell<Vec<Guest>>,
}

impl Left {
    fn of(connections: u32) -> Self {
        Self {
            connections,
            asked: RefCell::default(),
        }
    }
}

impl Budgets for Left {
    fn charge(&self, guest: &Guest) -> bool {
        let mut asked = self.asked.borrow_mut();
        asked.push(*guest);
        asked.iter().filter(|one| *one == guest).count() <= self.connections as usize
    }

    fn are_spent(&self, guest: &Guest) -> bool {
        let asked = self.asked.borrow();
        asked.iter().filter(|one| *one == guest).count() >= self.connections as usize
    }
}

/// Ethernet, two VLAN tags, IPv4 with four bytes of options, TCP.
fn tagged_request(port: u16, flags: u8) -> [u8; 66] {
    let mut frame = [0; 66];
    frame[6..12].copy_from_slice(&MAC);
    frame[12..22].copy_from_slice(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x08, 0x00]);
    frame[22..26].copy_from_slice(&[0x46, 0, 0, 44]);
    frame[31] = 6;
    frame[34..38].copy_from_slice(&[17, 17, 17, 5]);
    frame[38..42].copy_from_slice(&METADATA_ADDRESS.octets());
    frame[46..48].copy_from_slice(&41_000_u16.to_be_bytes());
    frame[48..50].copy_from_slice(&port.to_be_bytes());
    frame[58] = 5 << 4;
    frame[59] = flags;
    frame
}

/// Ethernet, IPv6 from fe80::5, eight bytes for each of the extension headers,
/// TCP.
fn request_v6(port: u16, extensions: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((20 + 8 * extensions.len() as u16).to_be_bytes());
    let mut kinds = extensions.iter().copied().chain([6]);
    frame.extend([kinds.next().unwrap_or_default(), 64]);
    frame.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    frame.extend(METADATA_ADDRESS_V6.octets());
    for kind in kinds {
        // Of eight bytes, whichever header it is.
        frame.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    }
    frame.extend(41_000_u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 5 << 4, SYN, 0, 0, 0, 0, 0, 0]);
    frame
}

fn steered(frame: &[u8]) -> Decision {
    assert!(frame.len() < 14 || may_go_to_metadata(frame));
    steer(frame, &ALL_OURS, &Left::of(1), PROXY_PORT)
}

#[test]
fn a_request_is_found_behind_tags_and_options() {
    let decision = steered(&tagged_request(80, SYN));
    assert_eq!(decision.verdict, Verdict::Steered);
    let rewrite = Rewrite {
        offset: 48,
        checksum_offset: 62,
        from: 80,
        to: PROXY_PORT,
    };
    assert_eq!(decision.rewrite, Some(rewrite));
    let flow = Flow {
        family: Family::Ipv4,
        source: Address::mapped([17, 17, 17, 5]),
        source_port: 41_000,
        destination: METADATA_V4,
        destination_port: 80,
    };
    assert_eq!(decision.flow, flow);
}

#[test]
fn a_request_is_found_behind_extension_headers() {
    for extensions in [&[][..], &[0], &[0, 60, 43, 44, 60, 60]] {
        let decision = steered(&request_v6(80, extensions));
        assert_eq!(decision.verdict, Verdict::Steered, "{extensions:?}");
        let tcp = 54 + 8 * extensions.len();
        let rewrite = Rewrite {
            offset: tcp + 2,
            checksum_offset: tcp + 16,
            from: METADATA_PORT,
            to: PROXY_PORT,
        };
        assert_eq!(decision.rewrite, Some(rewrite));
        let flow = decision.flow;
        assert_eq!(flow.source.ipv6().to_string(), "fe80::5");
        assert_eq!(flow.destination.ipv6(), METADATA_ADDRESS_V6);
    }
    let decision = steered(&request_v6(9697, &[0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(decision.verdict, Verdict::TooManyHeadersDropped);
}

#[test]
fn no_part_of_a_frame_is_rewritten_unless_all_of_its_headers_are_there() {
    for frame in [&tagged_request(80, SYN)[..], &request_v6(80, &[0, 43])] {
        for size in 0..frame.len() {
            let decision = steered(&frame[..size]);
            assert_eq!(decision.verdict, Verdict::SteerTruncated, "{size} bytes");
            assert_eq!(decision.rewrite, None);
        }
    }
}

#[test]
fn only_the_rewriting_verdicts_come_with_a_rewrite() {
    for port in [79, 80, 81, PROXY_PORT] {
        let frame = tagged_request(port, SYN);
        let decision = steered(&frame);
        assert_eq!(
            decision.rewrite.is_some(),
            decision.verdict == Verdict::Steered
        );
        assert_eq!(
            decision.verdict == Verdict::ProxyPortDropped,
            port == PROXY_PORT
        );
        assert_eq!(restore(&frame[..], PROXY_PORT).rewrite, None);
    }
}

#[test]
fn only_what_the_proxy_wants_is_steered() {
    let verdict = |flags, sockets| {
        let frame = tagged_request(80, flags);
        steer(&frame[..], &sockets, &Left::of(1), PROXY_PORT).verdict
    };
    let found = |listener, connection| Found {
        listener,
        connection,
        is_anothers: false,
    };
    for connection in [Connection::Alive, Connection::Over, Connection::None] {
        assert_eq!(verdict(SYN, found(true, connection)), Verdict::Steered);
        assert_eq!(
            verdict(SYN, found(false, connection)),
            Verdict::NotOursPassed
        );
        for listener in [true, false] {
            let is_ours =
                connection == Connection::Alive || connection == Connection::Over && listener;
            for flags in [ACK, SYN | ACK, 0, RST] {
                let is_steered = verdict(flags, found(listener, connection)) == Verdict::Steered;
                assert_eq!(is_steered, is_ours, "{flags:#x} {connection:?} {listener}");
            }
        }
    }
}

#[test]
fn a_handshake_stays_with_whoever_began_it() {
    let theirs = Found {
        is_anothers: true,
        ..ALL_OURS
    };
    let frame = tagged_request(80, SYN);
    let decision = steer(&frame[..], &theirs, &Left::of(1), PROXY_PORT);
    assert_eq!(decision.verdict, Verdict::NotOursPassed);
}

#[test]
fn a_jumbogram_has_no_size() {
    let mut frame = request_v6(80, &[0]);
    frame[18..20].fill(0);
    assert_eq!(steered(&frame).verdict, Verdict::Steered);
}

#[test]
fn a_guest_pays_for_the_connections_that_it_opens() {
    let left = Left::of(2);
    let verdict = |flags, sockets| {
        let frame = tagged_request(80, flags);
        steer(&frame[..], &sockets, &left, PROXY_PORT).verdict
    };
    let nobody = Found {
        listener: false,
        ..ALL_OURS
    };
    assert_eq!(verdict(SYN, nobody), Verdict::NotOursPassed);
    assert_eq!(verdict(ACK, ALL_OURS), Verdict::Steered);
    assert!(left.asked.borrow().is_empty());
    assert_eq!(verdict(SYN, ALL_OURS), Verdict::Steered);
    assert_eq!(verdict(SYN, ALL_OURS), Verdict::Steered);
    assert_eq!(verdict(SYN, ALL_OURS), Verdict::SurplusDropped);
    assert_eq!(verdict(ACK, ALL_OURS), Verdict::Steered);
    let guest = Guest::new(NAMESPACE, MAC, Address::mapped([17, 17, 17, 5]));
    assert_eq!(*left.asked.borrow(), [guest; 3]);
}

#[test]
fn the_guard_drops_what_steering_would_and_takes_nothing() {
    let left = Left::of(1);
    let frame = tagged_request(80, SYN);
    let guarded = |frame: &[u8], sockets| guard(frame, &sockets, &left).verdict;
    for _ in 0..3 {
        assert_eq!(guarded(&frame, ALL_OURS), Verdict::GuardPassed);
    }
    assert_eq!(
        steer(&frame[..], &ALL_OURS, &left, PROXY_PORT).verdict,
        Verdict::Steered
    );
    assert_eq!(guarded(&frame, ALL_OURS), Verdict::SurplusDroppedEarly);
    let nobody = Found {
        listener: false,
        ..ALL_OURS
    };
    assert_eq!(guarded(&frame, nobody), Verdict::GuardPassed);
    // Its connections that are open go on, and so does all that is not for us.
    for passed in [tagged_request(80, ACK), tagged_request(443, SYN)] {
        assert_eq!(guarded(&passed, ALL_OURS), Verdict::GuardPassed);
    }
    let mut elsewhere = frame;
    elsewhere[38] = 170;
    assert_eq!(guarded(&elsewhere, ALL_OURS), Verdict::GuardPassed);
}

#[test]
fn the_guard_drops_headers_that_no_tcp_sends() {
    let verdict = |frame: &[u8]| guard(frame, &ALL_OURS, &Left::of(9)).verdict;
    for flags in [SYN | RST, SYN | 0x01, SYN | ACK | RST] {
        assert_eq!(
            verdict(&tagged_request(80, flags)),
            Verdict::MalformedDropped
        );
    }
    let mut short = tagged_request(80, SYN);
    short[58] = 4 << 4;
    assert_eq!(verdict(&short), Verdict::MalformedDropped);
    // Of a frame to us that ends early, not of one that may be somebody else's.
    let whole = tagged_request(80, SYN);
    assert_eq!(verdict(&whole[..60]), Verdict::MalformedDropped);
    assert_eq!(verdict(&whole[..40]), Verdict::GuardPassed);
    let behind = request_v6(80, &[0, 60]);
    assert_eq!(verdict(&behind), Verdict::GuardPassed);
    assert_eq!(
        verdict(&behind[..behind.len() - 1]),
        Verdict::MalformedDropped
    );
}
