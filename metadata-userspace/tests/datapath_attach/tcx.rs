//! Links, where a foreign `ingress` qdisc holds the hook of filters: they outlive daemons,
//! and that qdisc, but not their interface.

use std::fs;

use metadatad::datapath::{AttachState, AttachedBy, Datapath, ensure_route, remove_from_namespace};
use metadatad::netlink::NamespaceSocket;
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};

use crate::{
    LIMIT, Place, attached, echo, index_of, is_answered, is_answered_within, packets, socket_in,
};

/// A router with somebody else's `ingress` qdisc on its interface to a guest.
struct Scene {
    place: Place,
    router: Router,
    guest: Guest,
    socket: NamespaceSocket,
    index: u32,
}

impl Scene {
    fn new() -> Self {
        let router = Router::create().unwrap();
        let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
        let socket = socket_in(router.namespace());
        ensure_route(&socket).unwrap();
        echo(&router);
        let scene = Self {
            place: Place::new(),
            index: index_of(&socket, &guest.router_interface),
            router,
            guest,
            socket,
        };
        scene.tc("qdisc add dev IF ingress");
        scene
    }

    fn inside(&self) -> &Namespace {
        self.router.namespace()
    }

    fn ip(&self, line: &str) {
        self.inside().ip(line).unwrap();
    }

    fn tc(&self, command: &str) -> String {
        let command = command.replace("IF", &self.guest.router_interface);
        self.inside().sh(&format!("tc {command}")).unwrap()
    }

    fn attach(&self, datapath: &mut Datapath) {
        let index = self.index;
        let attach = || datapath.attach(&NamespaceSocket::open().unwrap(), index);
        self.inside().enter(attach).unwrap().unwrap();
    }

    fn attached(&self, datapath: &Datapath) -> AttachState {
        let index = self.index;
        let look = || attached(datapath, &NamespaceSocket::open().unwrap(), index);
        self.inside().enter(look).unwrap()
    }

    fn links(&self) -> usize {
        fs::read_dir(self.place.0.bpffs.join("links"))
            .unwrap()
            .count()
    }

    fn filters(&self) -> String {
        self.tc("filter show dev IF ingress") + &self.tc("filter show dev IF egress")
    }
}

#[test]
fn tcx_serves_where_a_foreign_ingress_qdisc_holds_the_hook() {
    let scene = Scene::new();
    let mut first = scene.place.load();
    assert!(
        first.attach(&scene.socket, scene.index).is_err(),
        "from outside the namespace"
    );
    scene.attach(&mut first);
    scene.attach(&mut first);
    let state = scene.attached(&first);
    assert!(state.is_complete());
    assert_eq!(state.steer.unwrap().by, AttachedBy::Tcx);
    assert!(is_answered(&scene.guest));

    // The links outlive the daemon, and the next one takes them over.
    drop(first);
    assert!(is_answered(&scene.guest));
    let mut second = scene.place.load();
    assert!(!scene.attached(&second).is_complete());
    scene.attach(&mut second);
    assert!(scene.attached(&second).is_complete());
    assert!(is_answered(&scene.guest));

    second.detach(&scene.socket, scene.index).unwrap();
    assert_eq!(scene.attached(&second), Default::default());
    assert!(!is_answered_within(LIMIT, &scene.guest));
    let left = scene.tc("qdisc show dev IF");
    assert!(left.contains("ingress"), "{left}");

    scene.attach(&mut second);
    let inode = scene.inside().inode().unwrap();
    second.prune_links(&[inode].into()).unwrap();
    assert_eq!(scene.links(), 2);
    second.prune_links(&[].into()).unwrap();
    assert_eq!(scene.links(), 0);
}

#[test]
fn links_go_on_serving_when_the_foreign_qdisc_is_gone() {
    let scene = Scene::new();
    let mut first = scene.place.load();
    scene.attach(&mut first);
    scene.tc("qdisc del dev IF ingress");
    assert!(scene.attached(&first).is_complete());
    // As after a reload: filters could be added now, and would drop what links rewrite.
    let mut second = scene.place.load();
    scene.attach(&mut second);
    let state = scene.attached(&second);
    assert!(state.is_complete() && state.foreign.is_empty(), "{state:?}");
    assert_eq!(state.steer.unwrap().by, AttachedBy::Tcx);
    assert_eq!(scene.filters(), "");
    assert!(is_answered(&scene.guest));
    assert_eq!(packets(&second, "proxy_port_dropped"), 0);
}

#[test]
fn filters_beside_links_are_taken_off() {
    let scene = Scene::new();
    let mut datapath = scene.place.load();
    scene.attach(&mut datapath);
    scene.tc("qdisc del dev IF ingress");
    // As earlier versions did.
    let links = scene.place.0.bpffs.join("links");
    let aside = links.with_file_name("aside");
    fs::rename(&links, &aside).unwrap();
    scene.attach(&mut datapath);
    fs::rename(&aside, &links).unwrap();
    assert!(scene.filters().contains("metadata_steer"));
    let state = scene.attached(&datapath);
    assert!(!state.is_empty() && !state.is_complete(), "{state:?}");
    assert!(!is_answered_within(LIMIT, &scene.guest));

    scene.attach(&mut datapath);
    assert!(scene.attached(&datapath).is_complete());
    assert_eq!(scene.filters(), "");
    assert!(is_answered(&scene.guest));
}

#[test]
fn other_peoples_filters_come_after_links() {
    let scene = Scene::new();
    let mut datapath = scene.place.load();
    scene.attach(&mut datapath);
    scene.tc("qdisc del dev IF ingress");
    scene.tc("qdisc add dev IF clsact");
    scene.tc("filter add dev IF ingress pref 7 protocol ip u32 match u32 0 0 flowid 1:1");
    let state = scene.attached(&datapath);
    assert!(state.is_complete());
    let told: Vec<_> = state.foreign.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["u32 at TC ingress after ours"]);
}

#[test]
fn the_next_interface_of_the_same_index_is_served() {
    let scene = Scene::new();
    let mut datapath = scene.place.load();
    scene.attach(&mut datapath);
    let interface = &scene.guest.router_interface;
    scene.ip(&format!("link delete {interface}"));
    let far = scene.guest.namespace();
    scene.ip(&format!(
        "link add {interface} index {} type veth peer name eth0 netns {}",
        scene.index,
        far.name()
    ));
    let Subnet {
        guest,
        gateway,
        prefix,
    } = Subnet::TUTORIAL;
    scene.ip(&format!("address add {gateway}/{prefix} dev {interface}"));
    scene.ip(&format!("link set {interface} up"));
    far.ip(&format!("address add {guest}/{prefix} dev eth0"))
        .unwrap();
    far.ip("link set eth0 up").unwrap();
    far.ip(&format!("route add default via {gateway}")).unwrap();
    assert!(scene.attached(&datapath).is_empty());
    assert!(!is_answered_within(LIMIT, &scene.guest));

    scene.tc("qdisc add dev IF ingress");
    scene.attach(&mut datapath);
    assert!(scene.attached(&datapath).is_complete());
    assert!(is_answered(&scene.guest));
}

#[test]
fn a_link_does_not_follow_its_interface_to_another_namespace() {
    let scene = Scene::new();
    let mut datapath = scene.place.load();
    scene.attach(&mut datapath);
    let elsewhere = Router::create().unwrap();
    let interface = &scene.guest.router_interface;
    let new_home = elsewhere.namespace().name();
    scene.ip(&format!("link set {interface} netns {new_home}"));
    let there = socket_in(elsewhere.namespace());
    let moved = index_of(&there, interface);
    let seen_there = |datapath: &Datapath| {
        let look = || attached(datapath, &NamespaceSocket::open().unwrap(), moved);
        elsewhere.namespace().enter(look).unwrap()
    };
    assert_eq!(seen_there(&datapath).foreign.len(), 2);
    scene.ip(&format!(
        "link add {interface} index {} type veth peer name far",
        scene.index
    ));
    assert!(scene.attached(&datapath).is_empty());
    scene.attach(&mut datapath);
    assert!(scene.attached(&datapath).is_complete());
    assert_eq!(seen_there(&datapath), AttachState::default());
}

#[test]
fn pins_go_with_their_interface() {
    let scene = Scene::new();
    let mut datapath = scene.place.load();
    scene.attach(&mut datapath);
    datapath.forget_links(&scene.socket, scene.index).unwrap();
    assert_eq!(scene.links(), 0);

    // Between two looks, before its namespace is left.
    scene.attach(&mut datapath);
    assert_eq!(scene.links(), 2);
    let interface = &scene.guest.router_interface;
    scene.ip(&format!("link delete {interface}"));
    remove_from_namespace(&scene.place.0, &scene.socket).unwrap();
    assert_eq!(scene.links(), 0);
}
