//! New connections beyond a guest's budget, and malformed headers.

use metadatad::config::GuardConfig;

use crate::frame::{METADATA, Segment};
use crate::kernel::{DROPPED, Kernel, PASSED};
use crate::{frame_v6, ipv6, varieties};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// Programs that let each guest open one connection in a thousand seconds or so.
fn strict() -> Kernel {
    Kernel::load_with(|config| {
        config.guard = GuardConfig {
            connections_per_second: 1,
            burst: 1,
            interfaces: Vec::new(),
        };
    })
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let ipv4 = varieties(&Segment::to_metadata(80));
    let ipv4 = ipv4.iter().map(|(what, segment)| (*what, segment.frame()));
    let ipv6 = ipv6::varieties(&frame_v6::Segment::to_metadata(80));
    let ipv6 = ipv6.iter().map(|(what, segment)| (*what, segment.frame()));
    ipv4.chain(ipv6).collect()
}

#[test]
fn the_guard_lets_every_kind_of_request_in() {
    let kernel = Kernel::load();
    for (what, frame) in frames() {
        let passed = (XDP_PASS, Some("guard_passed".to_owned()));
        assert_eq!(kernel.guard(&frame), passed, "{what}");
    }
}

#[test]
fn the_guard_does_not_even_count_what_is_for_somebody_else() {
    let kernel = strict();
    let mut elsewhere = Segment::to_metadata(80).opening();
    elsewhere.destination.0 = [17, 17, 17, 1].into();
    for _ in 0..3 {
        assert_eq!(kernel.guard(&elsewhere.frame()), (XDP_PASS, None));
    }
}

#[test]
fn a_second_connection_is_too_many_for_each_of_a_guests_addresses() {
    let kernel = strict();
    for opening in [
        Segment::to_metadata(80).opening().frame(),
        frame_v6::Segment::to_metadata(80).opening().frame(),
    ] {
        assert_eq!(kernel.guard(&opening).0, XDP_PASS);
        let first = kernel.steer(&opening);
        assert_eq!(
            (first.action, first.verdict.as_deref()),
            (PASSED, Some("steered"))
        );
        let second = kernel.steer(&opening);
        assert_eq!(
            (second.action, second.verdict.as_deref()),
            (DROPPED, Some("surplus_dropped"))
        );
        let early = (XDP_DROP, Some("surplus_dropped_early".to_owned()));
        assert_eq!(kernel.guard(&opening), early);
    }
    // What it has open goes on.
    for (what, frame) in frames().iter().filter(|(what, _)| *what != "opening") {
        assert_eq!(kernel.guard(frame).0, XDP_PASS, "{what}");
        let verdict = kernel.steer(frame).verdict;
        assert_eq!(verdict.as_deref(), Some("steered"), "{what}");
    }
}

#[test]
fn another_mac_is_another_guest() {
    let kernel = strict();
    let opening = Segment::to_metadata(80).opening().frame();
    let mut others = opening.clone();
    others[11] ^= 1;
    for frame in [&opening, &others] {
        assert_eq!(kernel.steer(frame).action, PASSED);
        assert_eq!(kernel.steer(frame).action, DROPPED);
    }
}

#[test]
fn malformed_headers_do_not_come_in() {
    let kernel = Kernel::load();
    let malformed = (XDP_DROP, Some("malformed_dropped".to_owned()));
    let good = Segment::to_metadata(80).opening();
    let tcp = good.link_size() + 20;
    for (offset, value) in [(tcp + 13, 0x03), (tcp + 13, 0x06), (tcp + 12, 0x40)] {
        let mut frame = good.frame();
        assert_eq!(frame[16 + 14..20 + 14], METADATA.octets());
        frame[offset] = value;
        assert_eq!(kernel.guard(&frame), malformed, "{offset} {value:#x}");
    }
    let ipv6 = frame_v6::Segment::to_metadata(80).frame();
    assert_eq!(kernel.guard(&ipv6[..ipv6.len() - 30]), malformed);
}
