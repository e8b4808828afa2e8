//! Putting the programs on interfaces: what the kernel shows afterwards, and
//! what guests notice meanwhile.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use metadata_ebpf::ABI_VERSION;
use metadatad::datapath::{AttachedBy, Datapath, ensure_route, remove_from_namespace};
use metadatad::netlink::NamespaceSocket;
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::unique;

use crate::{Place, attached, echo, index_of, is_answered, socket_in};

/// A namespace with `qr-1`.
fn with_an_interface() -> Namespace {
    let namespace = Namespace::create(&format!("attach-{}", unique::tag().unwrap())).unwrap();
    namespace
        .ip("link add qr-1 type veth peer name far")
        .unwrap();
    namespace
}

#[test]
fn filters_are_put_on_replaced_found_and_taken_off() {
    let place = Place::new();
    let namespace = with_an_interface();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");

    let mut first = place.load();
    assert_eq!(attached(&first, &socket, index), Default::default());
    first.attach(&socket, index).unwrap();
    first.attach(&socket, index).unwrap();
    let state = attached(&first, &socket, index);
    assert!(state.is_complete());
    assert_eq!(state.steer.unwrap().by, AttachedBy::Filter);
    assert_eq!(state.steer.unwrap().program_id, first.program_ids().steer);
    assert_eq!(
        state.restore.unwrap().program_id,
        first.program_ids().restore
    );

    let mut second = place.load();
    assert!(!attached(&second, &socket, index).is_complete());
    second.attach(&socket, index).unwrap();
    assert!(attached(&second, &socket, index).is_complete());
    let shown = namespace.sh("tc filter show dev qr-1 ingress").unwrap();
    assert_eq!(
        shown.matches("metadata_steer direct-action").count(),
        1,
        "{shown}"
    );

    second.detach(&socket, index).unwrap();
    second.detach(&socket, index).unwrap();
    assert_eq!(attached(&second, &socket, index), Default::default());
    assert!(
        !namespace
            .sh("tc qdisc show dev qr-1")
            .unwrap()
            .contains("clsact")
    );
}

#[test]
fn a_hook_that_was_made_beforehand_goes_and_somebody_elses_stays() {
    let place = Place::new();
    let namespace = with_an_interface();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");
    let qdiscs = || namespace.sh("tc qdisc show dev qr-1").unwrap();
    let datapath = place.load();
    let take_all_off = || {
        datapath.detach(&socket, index).unwrap();
        remove_from_namespace(&place.0, &socket).unwrap();
    };

    assert!(datapath.prepare(&socket, index).unwrap());
    assert!(attached(&datapath, &socket, index).steer.is_none());
    assert!(!datapath.prepare(&socket, index).unwrap());
    assert!(qdiscs().contains("clsact"));
    take_all_off();
    assert!(!qdiscs().contains("clsact"), "{}", qdiscs());

    namespace.sh("tc qdisc add dev qr-1 clsact").unwrap();
    assert!(!datapath.prepare(&socket, index).unwrap());
    take_all_off();
    assert!(qdiscs().contains("clsact"));
}

#[test]
fn a_filter_of_the_former_handle_is_replaced_or_taken_off() {
    let place = Place::new();
    let namespace = with_an_interface();
    namespace.sh("tc qdisc add dev qr-1 clsact").unwrap();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");
    drop(place.load());
    let pinned = place.0.bpffs.join(format!("v{ABI_VERSION}/progs"));
    // Not by `ip netns exec`, which hides the bpffs.
    let put_former_on = || {
        for (side, program) in [("ingress", "steer"), ("egress", "restore")] {
            let mut tc = Command::new("tc");
            tc.args(["filter", "add", "dev", "qr-1", side, "pref", "80"]);
            tc.args(["handle", "0xa9fe", "bpf", "da", "pinned"]);
            tc.arg(pinned.join(format!("metadata_{program}")));
            let done = namespace.enter(|| tc.status()).unwrap();
            assert!(done.unwrap().success());
        }
    };
    let shown = || namespace.sh("tc filter show dev qr-1 ingress").unwrap();

    put_former_on();
    let mut datapath = place.load();
    let before = attached(&datapath, &socket, index);
    assert!(!before.is_empty() && !before.is_complete() && before.foreign.is_empty());
    datapath.attach(&socket, index).unwrap();
    assert!(attached(&datapath, &socket, index).is_complete());
    // In its place: a frame that met two of them would be dropped.
    assert!(shown().contains(" handle 0xa9fe "), "{}", shown());
    assert_eq!(shown().matches(" handle 0x").count(), 1, "{}", shown());

    datapath.detach(&socket, index).unwrap();
    assert_eq!(shown(), "");
    // As after an end in the exchange of an earlier daemon.
    datapath.attach(&socket, index).unwrap();
    drop(datapath);
    put_former_on();
    let mut datapath = place.load();
    assert!(!attached(&datapath, &socket, index).is_complete());
    datapath.attach(&socket, index).unwrap();
    assert!(attached(&datapath, &socket, index).is_complete());
    assert_eq!(shown().matches(" handle 0x").count(), 1, "{}", shown());
}

#[test]
fn other_peoples_filters_stay() {
    let place = Place::new();
    let namespace = with_an_interface();
    namespace.sh("tc qdisc add dev qr-1 clsact").unwrap();
    namespace
        .sh("tc filter add dev qr-1 egress pref 7 protocol ip u32 match u32 0 0 flowid 1:1")
        .unwrap();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");
    let mut datapath = place.load();
    datapath.attach(&socket, index).unwrap();
    assert!(attached(&datapath, &socket, index).is_complete());
    remove_from_namespace(&place.0, &socket).unwrap();
    assert!(attached(&datapath, &socket, index).is_empty());
    let left = namespace.sh("tc filter show dev qr-1 egress").unwrap();
    assert!(
        left.contains("pref 7 u32") && !left.contains("bpf"),
        "{left}"
    );
}

#[test]
fn no_connection_is_lost_while_programs_are_replaced() {
    const AT_LEAST: Duration = Duration::from_secs(2);
    const AT_MOST: Duration = Duration::from_secs(60);
    let place = Place::new();
    let router = Router::create().unwrap();
    let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
    let socket = socket_in(router.namespace());
    ensure_route(&socket).unwrap();
    echo(&router);
    let index = index_of(&socket, &guest.router_interface);
    let mut datapaths = [place.load(), place.load()];
    datapaths[0].attach(&socket, index).unwrap();
    assert!(is_answered(&guest));

    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let replaced = thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(is_answered(&guest), "after {answered:?} connections");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut replaced = 0;
        let start = Instant::now();
        let is_enough = |replaced| {
            start.elapsed() > AT_LEAST && answered.load(Ordering::Relaxed) > 100 && replaced > 100
        };
        while !is_enough(replaced) && start.elapsed() < AT_MOST && !client.is_finished() {
            datapaths[(replaced + 1) % 2]
                .attach(&socket, index)
                .unwrap();
            replaced += 1;
        }
        stop.store(true, Ordering::Relaxed);
        client.join().unwrap();
        replaced
    });
    let answered = answered.into_inner();
    println!("{answered} connections during {replaced} replacements");
    assert!(answered > 100 && replaced > 100, "{answered} {replaced}");
    // A frame between two programs would have found nobody at port 80: the
    // kernel would have answered with a reset.
    let resets = router.namespace().sh("nstat -asz TcpOutRsts").unwrap();
    assert!(
        resets.contains("TcpOutRsts                      0"),
        "{resets}"
    );
}

/// Not a judgement, since machines differ: `cargo test -- --nocapture timing`.
#[test]
fn timing_of_many_attachments() {
    const ROUTERS: u32 = 200;
    let place = Place::new();
    let mut datapath = place.load();
    let namespaces: Vec<_> = (0..ROUTERS)
        .map(|_| {
            let name = format!("many-{}", unique::tag().unwrap());
            let namespace = Namespace::create(&name).unwrap();
            namespace
                .ip("link add qr-1 index 22 type veth peer name far")
                .unwrap();
            namespace
        })
        .collect();
    let sockets: Vec<_> = namespaces.iter().map(socket_in).collect();
    let mut timed = |what: &str, work: &mut dyn FnMut(&mut Datapath, &NamespaceSocket)| {
        let start = Instant::now();
        for socket in &sockets {
            work(&mut datapath, socket);
        }
        println!("{what}: {:?} each", start.elapsed() / ROUTERS);
    };
    timed("route", &mut |_, socket| {
        ensure_route(socket).unwrap();
    });
    timed("attach both", &mut |datapath, socket| {
        datapath.attach(socket, 22).unwrap();
    });
    timed("replace both", &mut |datapath, socket| {
        datapath.attach(socket, 22).unwrap();
    });
    timed("inspect both", &mut |datapath, socket| {
        assert!(attached(datapath, socket, 22).is_complete());
    });
    timed("detach both", &mut |datapath, socket| {
        datapath.detach(socket, 22).unwrap();
    });
}
