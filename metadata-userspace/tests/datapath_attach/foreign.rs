//! Other people's programs on an interface: they stay, and are told of.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use metadatad::datapath::{ForeignHook, Order, XdpSlot, remove_from_namespace};
use metadatad::netlink::Link;
use xtask::lab::namespace::Namespace;
use xtask::lab::unique;

use super::*;

/// `bpf_attr` of `BPF_PROG_LOAD`, as far as it is needed (uapi/linux/bpf.h).
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

const BPF_PROG_LOAD: i64 = 5;
const BPF_PROG_TYPE_XDP: u32 = 6;
/// `r0 = 2 (XDP_PASS); exit`.
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// An XDP program called `bystander` that passes everything.
fn bystander() -> OwnedFd {
    let mut name = [0; 16];
    name[..9].copy_from_slice(b"bystander");
    let load = ProgramLoad {
        program_type: BPF_PROG_TYPE_XDP,
        instruction_count: 2,
        instructions: PASS.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
        name,
    };
    // SAFETY: the attribute and what it points to live until the call returns.
    let fd = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const load,
            size_of::<ProgramLoad>(),
        )
    };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made it, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// A namespace with one end of a cable.
struct Cable {
    namespace: Namespace,
    socket: NamespaceSocket,
}

impl Cable {
    fn new() -> Self {
        let namespace = Namespace::create(&format!("foreign-{}", unique::tag().unwrap())).unwrap();
        namespace
            .ip("link add qr-1 type veth peer name far")
            .unwrap();
        Self {
            socket: socket_in(&namespace),
            namespace,
        }
    }

    fn link(&self) -> Link {
        let links = self.socket.links().unwrap();
        links.into_iter().find(|link| link.name == "qr-1").unwrap()
    }
}

#[test]
fn the_guard_takes_nobodys_place_and_leaves_nobody_behind() {
    let place = Place::new();
    let cable = Cable::new();
    let datapath = place.load();
    let other = bystander();
    cable
        .socket
        .set_xdp(cable.link().index, other.as_fd(), false)
        .unwrap();
    let XdpSlot::Foreign(found) = datapath.xdp_slot(&cable.link()).unwrap() else {
        panic!("not seen");
    };
    assert_eq!(
        (found.name.as_str(), found.hook, found.runs),
        ("bystander", ForeignHook::Xdp, Order::Before)
    );
    let error = datapath.guard(&cable.socket, &cable.link()).unwrap_err();
    assert!(error.to_string().contains("bystander at XDP"), "{error}");
    datapath.unguard(&cable.socket, &cable.link()).unwrap();
    remove_from_namespace(&place.0, &cable.socket).unwrap();
    assert_eq!(cable.link().xdp, found.id);

    cable.socket.unset_xdp(cable.link().index).unwrap();
    datapath.guard(&cable.socket, &cable.link()).unwrap();
    let shown = cable.namespace.sh("bpftool net").unwrap();
    assert!(
        shown.contains("driver id") && cable.link().xdp == Some(datapath.program_ids().guard),
        "{shown}"
    );
    remove_from_namespace(&place.0, &cable.socket).unwrap();
    assert_eq!(cable.link().xdp, None);
}

#[test]
fn the_next_load_takes_the_guards_place_over() {
    let place = Place::new();
    let cable = Cable::new();
    let first = place.load();
    first.guard(&cable.socket, &cable.link()).unwrap();
    drop(first);
    let second = place.load();
    let slot = || second.xdp_slot(&cable.link()).unwrap();
    assert_eq!(slot(), XdpSlot::Guard { is_current: false });
    second.guard(&cable.socket, &cable.link()).unwrap();
    assert_eq!(slot(), XdpSlot::Guard { is_current: true });
    second.unguard(&cable.socket, &cable.link()).unwrap();
    assert_eq!(slot(), XdpSlot::Free);
}

#[test]
fn filters_are_told_of_in_their_order() {
    let place = Place::new();
    let cable = Cable::new();
    let inside = &cable.namespace;
    let mut datapath = place.load();
    inside.sh("tc qdisc add dev qr-1 clsact").unwrap();
    for (priority, hook) in [(7, "ingress"), (900, "egress")] {
        inside
            .sh(&format!(
                "tc filter add dev qr-1 {hook} pref {priority} protocol ip \
                 u32 match u32 0 0 flowid 1:1"
            ))
            .unwrap();
    }
    // Somebody has our own program run twice, as nobody should.
    let pin = place.0.bpffs.join("v2/progs/metadata_steer");
    // `ip netns exec` would mount another /sys, without the pins.
    let mut tc = std::process::Command::new("tc");
    tc.args("filter add dev qr-1 ingress pref 900 bpf object-pinned".split(' '));
    let added = inside.enter(|| tc.arg(pin).status().unwrap()).unwrap();
    assert!(added.success());
    datapath.attach(&cable.socket, cable.link().index).unwrap();
    let state = attached(&datapath, &cable.socket, cable.link().index);
    assert!(state.is_complete());
    let told: Vec<_> = state.foreign.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "u32 at TC ingress before ours");
    assert!(
        told[1].contains("metadata_steer") && told[1].ends_with(" after ours"),
        "{told:?}"
    );
    assert_eq!(told[2], "u32 at TC egress after ours");
}
