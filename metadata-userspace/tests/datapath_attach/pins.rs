//! What is kept under a name: counters across restarts, and the bpffs itself.

use std::process::Command;

use metadatad::datapath::{ensure_route, unload_pins};
use xtask::lab::bpffs::MountPoint;
use xtask::lab::guest::Guest;
use xtask::lab::router::{Router, Subnet};

use crate::{Place, echo, index_of, is_answered, packets, socket_in};

#[test]
fn counters_go_on_after_a_restart() {
    let place = Place::new();
    let router = Router::create().unwrap();
    let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
    let socket = socket_in(router.namespace());
    ensure_route(&socket).unwrap();
    echo(&router);
    let mut first = place.load();
    first
        .attach(&socket, index_of(&socket, &guest.router_interface))
        .unwrap();
    assert!(is_answered(&guest));
    let steered = packets(&first, "steered");
    assert!(steered > 0);
    drop(first);
    // Nobody runs, and guests are served all the same.
    assert!(is_answered(&guest));
    assert!(packets(&place.load(), "steered") > steered);
    let map = place.0.bpffs.join("v2/maps/verdicts");
    let dump = Command::new("bpftool")
        .args(["map", "dump", "pinned"])
        .arg(map)
        .output()
        .unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(
        dump.contains("\"packets\"") && dump.contains("\"bytes\""),
        "{dump}"
    );
}

#[test]
fn a_map_of_another_shape_is_replaced() {
    let place = Place::new();
    drop(place.load());
    let map = place.0.bpffs.join("v2/maps/verdicts");
    std::fs::remove_file(&map).unwrap();
    let made = Command::new("bpftool")
        .args(["map", "create"])
        .arg(&map)
        .args([
            "type", "array", "key", "4", "value", "4", "entries", "1", "name", "other",
        ])
        .status()
        .unwrap();
    assert!(made.success());
    let datapath = place.load();
    assert_eq!(packets(&datapath, "steered"), 0);
    drop(datapath);
    assert_eq!(packets(&place.load(), "steered"), 0);
}

#[test]
fn a_bpffs_is_mounted_where_none_is_and_goes_with_the_pins() {
    let directory = tempfile::tempdir().unwrap();
    let pins = directory.path().join("pins");
    let _unmounted = MountPoint(pins.clone());
    let place = Place::at(pins);
    let datapath = place.load();
    assert!(place.0.bpffs.join("v2/progs/metadata_steer").exists());
    drop(datapath);
    unload_pins(&place.0).unwrap();
    assert!(!place.0.bpffs.exists());
    unload_pins(&place.0).unwrap();
}
