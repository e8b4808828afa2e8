//! IPv6: extension headers, fragments, jumbograms, neighbour discovery.

use std::net::Ipv6Addr;

use crate::frame_v6::{GUEST, METADATA, Segment, extension, fragment, neighbour};
use crate::kernel::{DROPPED, Kernel, PASSED};
use crate::{QINQ, VLAN, assert_untouched};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;

pub(crate) fn varieties(segment: &Segment) -> Vec<(&'static str, Segment)> {
    let plain = segment.clone();
    let with = |extensions: &[(u8, Vec<u8>)]| plain.clone().with_extensions(extensions);
    vec![
        ("plain", plain.clone()),
        ("opening", plain.clone().opening()),
        ("VLAN tag", plain.clone().with_tags(&[(VLAN, 0x6064)])),
        ("hop-by-hop options", with(&[extension(HOP_BY_HOP, 8)])),
        (
            "2048 bytes of options",
            with(&[extension(DESTINATION_OPTIONS, 2048)]),
        ),
        ("authentication", with(&[extension(AUTHENTICATION, 24)])),
        ("first fragment", with(&[fragment(0, true)])),
        ("atomic fragment", with(&[fragment(0, false)])),
        (
            "all that RFC 8200 names, and four tags",
            with(&[
                extension(HOP_BY_HOP, 8),
                extension(DESTINATION_OPTIONS, 16),
                extension(ROUTING, 24),
                fragment(0, true),
                extension(AUTHENTICATION, 12),
                extension(DESTINATION_OPTIONS, 8),
            ])
            .with_tags(&[(QINQ, 1), (VLAN, 2), (VLAN, 3), (VLAN, 4)]),
        ),
    ]
}

#[test]
fn a_request_goes_to_the_proxy_port_with_a_right_checksum() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let outcome = kernel.steer(&segment.frame());
        assert_eq!(outcome.verdict.as_deref(), Some("steered"), "{what}");
        assert_eq!((outcome.action, outcome.mark), (PASSED, 1), "{what}");
        assert_eq!(outcome.frame, segment.to(9697).frame(), "{what}");
    }
}

#[test]
fn an_answer_comes_from_the_port_that_was_asked_with_a_right_checksum() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::from_metadata(9697)) {
        let segment = segment.from(9697);
        let outcome = kernel.restore(&segment.frame());
        assert_eq!(outcome.verdict.as_deref(), Some("restored"), "{what}");
        assert_eq!((outcome.action, outcome.mark), (PASSED, 0), "{what}");
        assert_eq!(outcome.frame, segment.from(80).frame(), "{what}");
    }
}

#[test]
fn the_proxy_port_itself_is_out_of_reach() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::to_metadata(9697)) {
        let outcome = kernel.steer(&segment.frame());
        assert_eq!(
            outcome.verdict.as_deref(),
            Some("proxy_port_dropped"),
            "{what}"
        );
        assert_eq!(outcome.action, DROPPED, "{what}");
    }
    let headers = vec![extension(DESTINATION_OPTIONS, 8); 7];
    let hidden = Segment::to_metadata(9697).with_extensions(&headers);
    let outcome = kernel.steer(&hidden.frame());
    assert_eq!(outcome.verdict.as_deref(), Some("too_many_headers_dropped"));
    assert_eq!(outcome.action, DROPPED);
}

#[test]
fn without_a_proxy_nothing_is_steered() {
    let kernel = Kernel::load_without_proxy(|_| {});
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let frame = segment.frame();
        assert_untouched(&kernel.steer(&frame), &frame, "not_ours_passed", what);
    }
}

#[test]
fn other_traffic_passes_untouched() {
    let kernel = Kernel::load();
    // Ends like the metadata address.
    let neighbour = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
    let elsewhere = Segment {
        destination: (neighbour, 80),
        ..Segment::to_metadata(80)
    };
    let later = Segment::to_metadata(80).with_extensions(&[fragment(3, false)]);
    let port = Segment::to_metadata(8080);
    for (what, segment, verdict) in [
        ("another address", elsewhere, "steer_passed"),
        ("another port", port, "steer_passed"),
        ("later fragment", later, "fragment_passed"),
    ] {
        let frame = segment.frame();
        assert_untouched(&kernel.steer(&frame), &frame, verdict, what);
    }
    let frame = Segment::from_metadata(8080).frame();
    let outcome = kernel.restore(&frame);
    assert_untouched(&outcome, &frame, "restore_passed", "egress");
}

#[test]
fn a_frame_cut_anywhere_before_the_end_of_its_tcp_header_passes() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let frame = segment.frame();
        // The kernel runs programs on nothing shorter than an IPv6 header
        // that the frame announces.
        let least = if segment.vlan_tags.is_empty() { 54 } else { 15 };
        // Of 2048 bytes of options each is as good as another.
        for size in (least..segment.headers()).filter(|size| *size < 200 || size % 97 == 0) {
            let what = format!("{what}, {size} bytes");
            let cut = &frame[..size];
            assert_untouched(&kernel.steer(cut), cut, "steer_truncated", &what);
        }
    }
}

#[test]
fn a_jumbogram_is_as_long_as_its_frame() {
    let kernel = Kernel::load();
    for extensions in [vec![], vec![extension(HOP_BY_HOP, 8)]] {
        let segment = Segment::to_metadata(80).with_extensions(&extensions);
        let (mut sent, mut steered) = (segment.frame(), segment.to(9697).frame());
        sent[18..20].fill(0);
        steered[18..20].fill(0);
        assert_eq!(kernel.steer(&sent).frame, steered);
    }
}

#[test]
fn a_header_in_the_padding_is_not_believed() {
    let kernel = Kernel::load();
    for size in 0..20_u8 {
        let mut frame = Segment::to_metadata(80)
            .with_extensions(&[extension(HOP_BY_HOP, 8)])
            .frame();
        frame[19] = 8 + size;
        assert_untouched(&kernel.steer(&frame), &frame, "steer_truncated", "");
    }
}

#[test]
fn nobody_learns_that_the_address_is_taken() {
    let kernel = Kernel::load();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xfffe, 0xa9fe);
    let detection = neighbour(SOLICITATION, (Ipv6Addr::UNSPECIFIED, group), 0, METADATA);
    let outcome = kernel.steer(&detection);
    assert_eq!(
        outcome.verdict.as_deref(),
        Some("duplicate_detection_dropped")
    );
    assert_eq!(outcome.action, DROPPED);
    // A guest that looks for the address, and somebody whose address merely
    // ends like it.
    let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x12fe, 0xa9fe);
    for (source, target) in [(GUEST, METADATA), (Ipv6Addr::UNSPECIFIED, other)] {
        let frame = neighbour(SOLICITATION, (source, group), 0, target);
        assert_untouched(&kernel.steer(&frame), &frame, "steer_passed", "");
    }
}

#[test]
fn an_advertisement_overrides_no_other_hosts() {
    let kernel = Kernel::load();
    let advertisement = |flags, target| neighbour(ADVERTISEMENT, (METADATA, GUEST), flags, target);
    let outcome = kernel.restore(&advertisement(0xc0 | OVERRIDE, METADATA));
    assert_eq!(outcome.verdict.as_deref(), Some("override_cleared"));
    assert_eq!(outcome.action, PASSED);
    assert_eq!(outcome.frame, advertisement(0xc0, METADATA));
    for frame in [
        advertisement(0x40, METADATA),
        advertisement(OVERRIDE, GUEST),
    ] {
        assert_untouched(&kernel.restore(&frame), &frame, "restore_passed", "");
    }
}
