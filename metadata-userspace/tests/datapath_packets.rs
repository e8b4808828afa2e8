//! What the TC programs do with single frames, run by the kernel itself
//! (BPF_PROG_TEST_RUN): action, bytes, mark and verdict.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "datapath_packets/frame.rs"]
mod frame;
#[path = "datapath_packets/frame_v6.rs"]
mod frame_v6;
#[path = "datapath_packets/guard.rs"]
mod guard;
#[path = "datapath_packets/ipv6.rs"]
mod ipv6;
#[path = "datapath_packets/kernel.rs"]
mod kernel;
#[path = "support/listening.rs"]
mod listening;

use std::net::{Ipv4Addr, TcpListener};

use etherparse::PacketBuilder;
use frame::{GUEST_PORT, METADATA, OTHER_PORT, Segment};
use kernel::{DROPPED, Kernel, Outcome, PASSED};
use listening::end_listening;

const VLAN: u16 = 0x8100;
const QINQ: u16 = 0x88a8;

/// Segments that differ in everything that steering must not mind.
fn varieties(segment: &Segment) -> Vec<(&'static str, Segment)> {
    let plain = segment.clone();
    let empty = Segment {
        payload: Vec::new(),
        ..plain.clone()
    };
    let large = Segment {
        payload: vec![0x5a; 1_401],
        ..plain.clone()
    };
    vec![
        ("plain", plain.clone()),
        ("without payload", empty),
        ("large, of odd size", large),
        ("4 bytes of options", plain.clone().with_options(4)),
        ("40 bytes of options", plain.clone().with_options(40)),
        ("priority tag", plain.clone().with_tags(&[(VLAN, 0)])),
        ("VLAN tag", plain.clone().with_tags(&[(VLAN, 0x6064)])),
        ("QinQ", plain.clone().with_tags(&[(QINQ, 100), (VLAN, 200)])),
        (
            "four tags and options",
            plain.clone().with_tags(&[(VLAN, 0); 4]).with_options(40),
        ),
        ("first fragment", plain.clone().into_fragment(0, true)),
        ("opening", plain.opening()),
    ]
}

/// `verdict` is empty if none may be counted.
fn assert_untouched(outcome: &Outcome, sent: &[u8], verdict: &str, what: &str) {
    let counted = outcome.verdict.as_deref().unwrap_or_default();
    assert_eq!(counted, verdict, "{what}");
    assert_eq!(outcome.action, PASSED, "{what}");
    assert_eq!(outcome.frame, sent, "{what}");
    assert_eq!(outcome.mark, 0, "{what}");
}

#[test]
fn a_request_goes_to_the_proxy_port_with_a_right_checksum() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let outcome = kernel.steer(&segment.frame());
        assert_eq!(outcome.verdict.as_deref(), Some("steered"), "{what}");
        assert_eq!(outcome.action, PASSED, "{what}");
        assert_eq!(outcome.mark, 1, "{what}");
        // The builder computes every checksum anew.
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
        assert_eq!(outcome.action, PASSED, "{what}");
        assert_eq!(outcome.mark, 0, "{what}");
        assert_eq!(outcome.frame, segment.from(80).frame(), "{what}");
    }
}

#[test]
fn a_connection_that_the_proxy_does_not_have_is_left_alone() {
    let without_proxy = Kernel::load_without_proxy(|_| {});
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let frame = segment.frame();
        let outcome = without_proxy.steer(&frame);
        assert_untouched(&outcome, &frame, "not_ours_passed", what);
    }
    let kernel = Kernel::load();
    let of_another = Segment::to_metadata(80).from(OTHER_PORT).frame();
    let outcome = kernel.steer(&of_another);
    assert_untouched(&outcome, &of_another, "not_ours_passed", "no such");
}

#[test]
fn a_listener_that_is_about_to_close_gets_no_new_connection() {
    let kernel = Kernel::load();
    let opening = Segment::to_metadata(80).opening().frame();
    assert_eq!(kernel.steer(&opening).verdict.as_deref(), Some("steered"));
    kernel.retire();
    let outcome = kernel.steer(&opening);
    assert_untouched(&outcome, &opening, "not_ours_passed", "opening");
    let running = Segment::to_metadata(80).frame();
    assert_eq!(kernel.steer(&running).verdict.as_deref(), Some("steered"));
}

#[test]
fn a_listener_on_a_wildcard_is_somebody_elses() {
    let kernel = Kernel::load_without_proxy(|_| {});
    for address in ["0.0.0.0:9697", "[::]:9697"] {
        let listener = kernel.namespace().enter(|| TcpListener::bind(address));
        let listener = listener.unwrap().unwrap();
        let v4 = Segment::to_metadata(80).opening().frame();
        let v6 = frame_v6::Segment::to_metadata(80).opening().frame();
        for frame in [v4, v6] {
            let outcome = kernel.steer(&frame);
            assert_untouched(&outcome, &frame, "not_ours_passed", address);
        }
        end_listening(&listener).unwrap();
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
}

#[test]
fn a_first_fragment_too_short_for_a_checksum_cannot_sneak_in() {
    let kernel = Kernel::load();
    // The least that a fragment may carry: eight bytes, ports included.
    let cut = |port| {
        let segment = Segment::to_metadata(port).into_fragment(0, true);
        let mut frame = segment.frame();
        frame.truncate(14 + 20 + 8);
        frame[16..18].copy_from_slice(&28_u16.to_be_bytes());
        frame
    };
    let outcome = kernel.steer(&cut(9697));
    assert_eq!(
        (outcome.verdict.as_deref(), outcome.action),
        (Some("proxy_port_dropped"), DROPPED)
    );
    assert_untouched(
        &kernel.steer(&cut(80)),
        &cut(80),
        "fragment_passed",
        "port 80",
    );
}

#[test]
fn other_traffic_passes_untouched() {
    let kernel = Kernel::load();
    let elsewhere = Segment {
        destination: (Ipv4Addr::new(169, 254, 169, 253), 80),
        ..Segment::to_metadata(80)
    };
    let transit_to_proxy_port = Segment {
        destination: (Ipv4Addr::new(10, 0, 0, 1), 9697),
        ..Segment::to_metadata(80)
    };
    let guest = frame::GUEST.octets();
    let ethernet = || PacketBuilder::ethernet2([2; 6], [4; 6]);
    let mut udp = Vec::new();
    ethernet()
        .ipv4(guest, METADATA.octets(), 64)
        .udp(GUEST_PORT, 80)
        .write(&mut udp, b"question")
        .unwrap();
    let mut ipv6 = Vec::new();
    ethernet()
        .ipv6([0xfe; 16], [0xfd; 16], 64)
        .tcp(GUEST_PORT, 80, 1, 1)
        .write(&mut ipv6, b"hello")
        .unwrap();
    let mut arp = vec![0xff; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let to_another_port = Segment::to_metadata(8080).frame();
    for (what, frame, verdict) in [
        ("another port", to_another_port, "steer_passed"),
        ("UDP", udp, "steer_passed"),
        ("another address", elsewhere.frame(), ""),
        (
            "another host's port 9697",
            transit_to_proxy_port.frame(),
            "",
        ),
        ("IPv6", ipv6, ""),
        ("ARP", arp, ""),
    ] {
        assert_untouched(&kernel.steer(&frame), &frame, verdict, what);
    }
    let by_another_host = Segment {
        source: (Ipv4Addr::new(10, 0, 0, 1), 9697),
        ..Segment::from_metadata(80)
    };
    let from_another_port = Segment::from_metadata(8080).frame();
    for (what, frame, verdict) in [
        ("another port", from_another_port, "restore_passed"),
        ("from a guest", Segment::to_metadata(80).frame(), ""),
        ("another host's port 9697", by_another_host.frame(), ""),
    ] {
        assert_untouched(&kernel.restore(&frame), &frame, verdict, what);
    }
}

#[test]
fn a_later_fragment_passes() {
    let kernel = Kernel::load();
    // Its payload looks like a header with the port 80 or 9697.
    for port in [80, 9697] {
        let frame = Segment::to_metadata(port).into_fragment(3, false).frame();
        assert_untouched(&kernel.steer(&frame), &frame, "fragment_passed", "ingress");
        let frame = Segment::from_metadata(port).into_fragment(3, false).frame();
        assert_untouched(&kernel.restore(&frame), &frame, "restore_passed", "egress");
    }
}

#[test]
fn a_frame_cut_anywhere_before_the_end_of_its_tcp_header_passes() {
    let kernel = Kernel::load();
    for (what, segment) in varieties(&Segment::to_metadata(80)) {
        let frame = segment.frame();
        let headers = segment.link_size() + 20 + segment.options + 20;
        // The kernel runs programs on nothing shorter than an Ethernet header,
        // nor, since Linux 6.18, than an IPv4 header that it announces.
        let least = if segment.vlan_tags.is_empty() { 34 } else { 15 };
        for size in least..headers {
            let what = format!("{what}, {size} bytes");
            let cut = &frame[..size];
            assert_untouched(&kernel.steer(cut), cut, "steer_truncated", &what);
        }
    }
}

#[test]
fn lengths_that_contradict_each_other_are_not_believed() {
    let kernel = Kernel::load();
    let good = Segment::to_metadata(80).frame();
    let mut short_header = good.clone();
    short_header[14] = 0x44;
    let mut other_version = good.clone();
    other_version[14] = 0x65;
    // The TCP header lies in what the IPv4 header calls padding.
    let mut padding = good.clone();
    padding[16..18].copy_from_slice(&24_u16.to_be_bytes());
    let mut no_payload = good;
    no_payload[16..18].copy_from_slice(&20_u16.to_be_bytes());
    for frame in [short_header, other_version, padding, no_payload] {
        assert_untouched(&kernel.steer(&frame), &frame, "steer_truncated", "");
    }
}

#[test]
fn tags_piled_too_high_to_look_behind_are_dropped() {
    let kernel = Kernel::load();
    for port in [80, 9697] {
        let outcome = kernel.steer(
            &Segment::to_metadata(port)
                .with_tags(&[(VLAN, 0); 5])
                .frame(),
        );
        assert_eq!(outcome.verdict.as_deref(), Some("too_many_tags_dropped"));
        assert_eq!(outcome.action, DROPPED);
    }
}

#[test]
fn the_access_mark_leaves_the_address_scope_alone() {
    let kernel = Kernel::load_with(|config| config.access_mark = 0x00f1);
    let request = Segment::to_metadata(80).frame();
    assert_eq!(kernel.steer_marked(&request, 0xabcd_1234).mark, 0xabcd_00f1);
    let other = Segment::to_metadata(8080).frame();
    assert_eq!(kernel.steer_marked(&other, 0xabcd_1234).mark, 0xabcd_1234);
}

#[test]
fn the_configured_proxy_port_is_the_one_that_counts() {
    let kernel = Kernel::load_with(|config| config.proxy_port = 8443);
    let request = Segment::to_metadata(80);
    let steered = kernel.steer(&request.frame());
    assert_eq!(steered.frame, request.to(8443).frame());
    let dropped = kernel.steer(&Segment::to_metadata(8443).frame());
    assert_eq!(dropped.action, DROPPED);
    let frame = Segment::to_metadata(9697).frame();
    assert_untouched(
        &kernel.steer(&frame),
        &frame,
        "steer_passed",
        "the default port",
    );
}

#[test]
fn a_switched_off_log_costs_no_instruction() {
    let instructions = |log_verdicts| {
        let kernel = Kernel::load_with(|config| config.log_verdicts = log_verdicts);
        ["metadata_steer", "metadata_restore"].map(|program| {
            let info = kernel.program(program).info().unwrap();
            (
                info.map_ids().unwrap().unwrap().len(),
                info.size_translated().unwrap() / 8,
            )
        })
    };
    for ((_, silent), (_, speaking)) in instructions(false).into_iter().zip(instructions(true)) {
        println!("instructions: {silent} with the log off, {speaking} with it on");
        assert!(speaking > silent + 400, "{silent} {speaking}");
    }
}

/// Not a judgement, since machines differ: `cargo test -- --nocapture timing`.
#[test]
fn timing_of_one_frame() {
    // From port 80 to port 80, so that every repetition finds work to do.
    let kernel = Kernel::load_with(|config| config.proxy_port = 80);
    let transit = Segment {
        destination: (Ipv4Addr::new(10, 0, 0, 1), 80),
        ..Segment::to_metadata(80)
    };
    for (what, program, frame) in [
        ("passed", "metadata_steer", transit.frame()),
        (
            "steered",
            "metadata_steer",
            Segment::to_metadata(80).frame(),
        ),
        ("passed", "metadata_restore", transit.frame()),
        (
            "restored",
            "metadata_restore",
            Segment::from_metadata(80).frame(),
        ),
    ] {
        let time = kernel.time(program, &frame, 1_000_000);
        println!("{program}, {what}: {} ns", time.as_nanos());
    }
}
