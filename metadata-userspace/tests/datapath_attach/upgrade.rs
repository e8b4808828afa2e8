//! From one version of the daemon to another, and back: the pins of each stand in a
//! directory of its own.

use std::fs;
use std::path::PathBuf;

use metadata_ebpf::ABI_VERSION;
use metadatad::datapath::ensure_route;
use metadatad::netlink::NamespaceSocket;
use xtask::lab::guest::Guest;
use xtask::lab::router::{Router, Subnet};

use crate::{Place, attached, echo, index_of, is_answered, socket_in};

struct Scene {
    place: Place,
    socket: NamespaceSocket,
    interface: u32,
    guest: Guest,
    _router: Router,
}

impl Scene {
    /// A guest that is served by the programs of another version, whose daemon ended.
    fn left_by(version: u32) -> Self {
        let place = Place::new();
        let router = Router::create().unwrap();
        let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
        let socket = socket_in(router.namespace());
        ensure_route(&socket).unwrap();
        echo(&router);
        let interface = index_of(&socket, &guest.router_interface);
        place.load().attach(&socket, interface).unwrap();
        let scene = Self {
            place,
            socket,
            interface,
            guest,
            _router: router,
        };
        fs::rename(scene.pins_of(ABI_VERSION), scene.pins_of(version)).unwrap();
        assert!(is_answered(&scene.guest));
        scene
    }

    fn pins_of(&self, version: u32) -> PathBuf {
        self.place.0.bpffs.join(format!("v{version}"))
    }

    fn program_on_interface(&self) -> u32 {
        let datapath = self.place.load();
        let attached = attached(&datapath, &self.socket, self.interface);
        attached.steer.unwrap().program_id
    }
}

fn the_other_version_is_replaced(other: u32) {
    let scene = Scene::left_by(other);
    let mut ours = scene.place.load();
    // Both stand beside each other until ours is everywhere.
    assert!(scene.pins_of(other).join("progs/metadata_steer").exists());
    assert!(scene.pins_of(ABI_VERSION).exists());
    let state = |datapath: &_| attached(datapath, &scene.socket, scene.interface);
    assert!(!state(&ours).is_complete());
    assert!(is_answered(&scene.guest));
    ours.attach(&scene.socket, scene.interface).unwrap();
    assert!(state(&ours).is_complete());
    ours.remove_other_versions().unwrap();
    assert!(!scene.pins_of(other).exists());
    assert!(is_answered(&scene.guest));
}

#[test]
fn a_newer_version_takes_the_place_of_an_older_one() {
    the_other_version_is_replaced(ABI_VERSION - 1);
}

#[test]
fn an_older_version_takes_the_place_of_a_newer_one() {
    the_other_version_is_replaced(ABI_VERSION + 1);
}

#[test]
fn an_upgrade_that_is_interrupted_leaves_the_old_programs_serving() {
    let older = ABI_VERSION - 1;
    let scene = Scene::left_by(older);
    let before = scene.program_on_interface();
    // Ended between loading and attaching: what is only loaded goes with the process,
    // what is pinned stays.
    drop(scene.place.load());
    assert!(is_answered(&scene.guest));
    assert_eq!(scene.program_on_interface(), before);
    assert!(scene.pins_of(older).join("maps/verdicts").exists());
}
