//! Putting the programs on interfaces: what the kernel shows afterwards, and
//! what guests notice meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use metadatad::config::DatapathConfig;
use metadatad::datapath::{
    AttachedBy, Datapath, Reachability, ensure_route, reachability, remove_from_namespace,
    remove_route, unload_pins,
};
use metadatad::netlink::NamespaceSocket;
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::unique;

const VIP: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const PROXY: SocketAddrV4 = SocketAddrV4::new(VIP, 9697);
const LIMIT: Duration = Duration::from_secs(3);

/// A place for pins that no other test uses; removed on drop.
struct Place(DatapathConfig);

impl Place {
    fn new() -> Self {
        xtask::lab::bpffs::ensure_mounted().unwrap();
        Self::at(format!("/sys/fs/bpf/metadatad-{}", unique::tag().unwrap()).into())
    }

    fn at(bpffs: PathBuf) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load eBPF programs: run them as root (`cargo xtask test`)"
        );
        Self(DatapathConfig {
            bpffs,
            proxy_port: PROXY.port(),
            access_mark: 1,
            log_verdicts: false,
        })
    }

    fn load(&self) -> Datapath {
        Datapath::load(&self.0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = unload_pins(&self.0) {
            eprintln!("warning: pins stay behind: {error}");
        }
    }
}

fn socket_in(namespace: &Namespace) -> NamespaceSocket {
    namespace
        .enter(|| NamespaceSocket::open().unwrap())
        .unwrap()
}

fn index_of(socket: &NamespaceSocket, name: &str) -> u32 {
    let links = socket.links().unwrap();
    links.iter().find(|link| link.name == name).unwrap().index
}

fn packets(datapath: &Datapath, verdict: &str) -> u64 {
    let counts = datapath.verdicts().unwrap();
    counts
        .iter()
        .find(|count| count.verdict == verdict)
        .unwrap()
        .packets
}

/// Answers every connection to the proxy port with what it was sent, on a
/// thread that ends with the process.
fn echo(router: &Router) {
    let listener = router
        .namespace()
        .enter(|| TcpListener::bind(PROXY))
        .unwrap()
        .unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(size @ 1..) = connection.read(&mut buffer) {
                    if connection.write_all(&buffer[..size]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// One connection to the metadata address; false when it is refused or lost.
fn is_answered(guest: &Guest) -> bool {
    let Ok(mut connection) = guest.connect_within(METADATA.into(), LIMIT) else {
        return false;
    };
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = [0; 5];
    connection.write_all(b"hello").is_ok()
        && connection.read_exact(&mut answer).is_ok()
        && &answer == b"hello"
}

#[test]
fn filters_are_put_on_replaced_found_and_taken_off() {
    let place = Place::new();
    let namespace = Namespace::create(&format!("attach-{}", unique::tag().unwrap())).unwrap();
    namespace
        .ip("link add qr-1 type veth peer name far")
        .unwrap();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");

    let mut first = place.load();
    assert_eq!(first.attached(&socket, index).unwrap(), Default::default());
    first.attach(&socket, index).unwrap();
    first.attach(&socket, index).unwrap();
    let state = first.attached(&socket, index).unwrap();
    assert!(state.is_complete());
    assert_eq!(state.steer.unwrap().by, AttachedBy::Filter);
    assert_eq!(state.steer.unwrap().program_id, first.program_ids().steer);
    assert_eq!(
        state.restore.unwrap().program_id,
        first.program_ids().restore
    );

    let mut second = place.load();
    assert!(!second.attached(&socket, index).unwrap().is_complete());
    second.attach(&socket, index).unwrap();
    assert!(second.attached(&socket, index).unwrap().is_complete());
    let shown = namespace.sh("tc filter show dev qr-1 ingress").unwrap();
    assert_eq!(
        shown.matches("metadata_steer direct-action").count(),
        1,
        "{shown}"
    );

    second.detach(&socket, index).unwrap();
    second.detach(&socket, index).unwrap();
    assert_eq!(second.attached(&socket, index).unwrap(), Default::default());
    assert!(
        !namespace
            .sh("tc qdisc show dev qr-1")
            .unwrap()
            .contains("clsact")
    );
}

#[test]
fn other_peoples_filters_stay() {
    let place = Place::new();
    let namespace = Namespace::create(&format!("attach-{}", unique::tag().unwrap())).unwrap();
    namespace
        .ip("link add qr-1 type veth peer name far")
        .unwrap();
    namespace.sh("tc qdisc add dev qr-1 clsact").unwrap();
    namespace
        .sh("tc filter add dev qr-1 egress pref 7 protocol ip u32 match u32 0 0 flowid 1:1")
        .unwrap();
    let socket = socket_in(&namespace);
    let index = index_of(&socket, "qr-1");
    let mut datapath = place.load();
    datapath.attach(&socket, index).unwrap();
    assert!(datapath.attached(&socket, index).unwrap().is_complete());
    remove_from_namespace(&place.0, &socket).unwrap();
    assert_eq!(
        datapath.attached(&socket, index).unwrap(),
        Default::default()
    );
    let left = namespace.sh("tc filter show dev qr-1 egress").unwrap();
    assert!(
        left.contains("pref 7 u32") && !left.contains("bpf"),
        "{left}"
    );
}

#[test]
fn no_connection_is_lost_while_programs_are_replaced() {
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

    let stop = AtomicBool::new(false);
    let (answered, replaced) = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut answered = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(is_answered(&guest), "after {answered} connections");
                answered += 1;
            }
            answered
        });
        let mut replaced = 0;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) && !client.is_finished() {
            datapaths[(replaced + 1) % 2]
                .attach(&socket, index)
                .unwrap();
            replaced += 1;
        }
        stop.store(true, Ordering::Relaxed);
        (client.join().unwrap(), replaced)
    });
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

#[test]
fn tcx_serves_where_a_foreign_ingress_qdisc_holds_the_hook() {
    let place = Place::new();
    let router = Router::create().unwrap();
    let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
    let interface = &guest.router_interface;
    let inside = router.namespace();
    inside
        .sh(&format!("tc qdisc add dev {interface} ingress"))
        .unwrap();
    let socket = socket_in(inside);
    let index = index_of(&socket, interface);
    ensure_route(&socket).unwrap();
    echo(&router);

    let mut first = place.load();
    assert!(
        first.attach(&socket, index).is_err(),
        "from outside the namespace"
    );
    let attach = |datapath: &mut Datapath| {
        inside
            .enter(|| {
                let socket = NamespaceSocket::open().unwrap();
                datapath
                    .attach(&socket, index)
                    .map_err(|error| error.to_string())
            })
            .unwrap()
    };
    attach(&mut first).unwrap();
    attach(&mut first).unwrap();
    let state = first.attached(&socket, index).unwrap();
    assert!(state.is_complete());
    assert_eq!(state.steer.unwrap().by, AttachedBy::Tcx);
    assert!(is_answered(&guest));

    // The links outlive the daemon, and the next one takes them over.
    drop(first);
    assert!(is_answered(&guest));
    let mut second = place.load();
    assert!(!second.attached(&socket, index).unwrap().is_complete());
    attach(&mut second).unwrap();
    assert!(second.attached(&socket, index).unwrap().is_complete());
    assert!(is_answered(&guest));

    second.detach(&socket, index).unwrap();
    assert_eq!(second.attached(&socket, index).unwrap(), Default::default());
    assert!(!is_answered(&guest));
    let left = inside
        .sh(&format!("tc qdisc show dev {interface}"))
        .unwrap();
    assert!(left.contains("ingress"), "{left}");

    attach(&mut second).unwrap();
    let links = || {
        std::fs::read_dir(place.0.bpffs.join("links"))
            .unwrap()
            .count()
    };
    second.prune_links(&[inside.inode().unwrap()]).unwrap();
    assert_eq!(links(), 2);
    second.prune_links(&[]).unwrap();
    assert_eq!(links(), 0);
}

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
    let map = place.0.bpffs.join("v1/maps/verdicts");
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
    let map = place.0.bpffs.join("v1/maps/verdicts");
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
    let place = Place::at(directory.path().join("pins"));
    let datapath = place.load();
    assert!(place.0.bpffs.join("v1/progs/metadata_steer").exists());
    drop(datapath);
    unload_pins(&place.0).unwrap();
    assert!(!place.0.bpffs.exists());
    unload_pins(&place.0).unwrap();
}

#[test]
fn the_route_is_ours_and_only_where_it_is_needed() {
    let namespace = Namespace::create(&format!("route-{}", unique::tag().unwrap())).unwrap();
    let socket = socket_in(&namespace);
    assert_eq!(reachability(&socket).unwrap(), Reachability::None);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByRoute);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByRoute);
    let routes = namespace.ip("route show table local proto 169").unwrap();
    assert!(
        routes.starts_with("local 169.254.169.254 dev lo scope host"),
        "{routes}"
    );
    remove_route(&socket).unwrap();
    remove_route(&socket).unwrap();
    assert_eq!(reachability(&socket).unwrap(), Reachability::None);

    // As Neutron's DHCP namespaces have it.
    namespace
        .ip("link add tap1 type veth peer name far")
        .unwrap();
    namespace
        .ip("address add 169.254.169.254/32 dev tap1")
        .unwrap();
    namespace.ip("link set tap1 up").unwrap();
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByAddress);
    assert_eq!(
        namespace.ip("route show table local proto 169").unwrap(),
        ""
    );

    // The operator's own route is nobody else's to remove.
    namespace.ip("link delete tap1").unwrap();
    namespace
        .ip("route add local 169.254.169.254 dev lo proto 42 table local")
        .unwrap();
    remove_route(&socket).unwrap();
    assert_eq!(
        namespace
            .ip("route show table local proto 42")
            .unwrap()
            .lines()
            .count(),
        1
    );
}

/// The driver may leave all but the Ethernet header in fragments, where the
/// programs cannot read directly.
#[test]
fn headers_outside_the_linear_part_are_read() {
    let place = Place::new();
    let router = Router::create().unwrap();
    let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
    let socket = socket_in(router.namespace());
    let interface = &guest.router_interface;
    router
        .namespace()
        .ip(&format!("link set {interface} mtu 9000"))
        .unwrap();
    guest.namespace().ip("link set eth0 mtu 9000").unwrap();
    let mut datapath = place.load();
    datapath
        .attach(&socket, index_of(&socket, interface))
        .unwrap();
    guest.namespace().enter(|| send_fragmented(8_000)).unwrap();
    let start = Instant::now();
    while packets(&datapath, "steered") == 0 && start.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(packets(&datapath, "steered"), 1);
    assert_eq!(packets(&datapath, "steer_truncated"), 0);
}

/// Sends a TCP segment to the metadata address with only its Ethernet header
/// in the linear part: a packet socket with PACKET_VNET_HDR puts `hdr_len`
/// bytes there, if the frame is larger than a page.
fn send_fragmented(payload: usize) {
    const PACKET_VNET_HDR: i32 = 15;
    let mut frame = vec![0; 10];
    frame[2] = 14;
    etherparse::PacketBuilder::ethernet2([2; 6], [0xff; 6])
        .ipv4([17, 17, 17, 5], VIP.octets(), 64)
        .tcp(41_000, 80, 1, 1)
        .write(&mut frame, &vec![0x5a; payload])
        .unwrap();
    let all = i32::from(0x0003_u16.to_be());
    let socket = socket2::Socket::new(
        socket2::Domain::PACKET,
        socket2::Type::RAW,
        Some(all.into()),
    )
    .unwrap();
    let on = 1_i32;
    // SAFETY: the kernel reads four bytes from a live i32.
    let result = unsafe {
        nix::libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            nix::libc::SOL_PACKET,
            PACKET_VNET_HDR,
            (&raw const on).cast(),
            4,
        )
    };
    assert_eq!(result, 0);
    let index = nix::net::if_::if_nametoindex("eth0").unwrap();
    // SAFETY: all zero bytes are a sockaddr_ll, which fits into the storage.
    let address = unsafe {
        socket2::SockAddr::try_init(|storage, size| {
            let address = storage.cast::<nix::libc::sockaddr_ll>();
            (*address).sll_family = nix::libc::AF_PACKET as u16;
            (*address).sll_ifindex = index as i32;
            (*address).sll_protocol = 0x0003_u16.to_be();
            *size = size_of::<nix::libc::sockaddr_ll>() as u32;
            Ok(())
        })
    };
    socket.send_to(&frame, &address.unwrap().1).unwrap();
}

#[test]
fn datagrams_to_the_metadata_address_pass() {
    let place = Place::new();
    let router = Router::create().unwrap();
    let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
    let socket = socket_in(router.namespace());
    ensure_route(&socket).unwrap();
    place
        .load()
        .attach(&socket, index_of(&socket, &guest.router_interface))
        .unwrap();
    let server = SocketAddr::from((VIP, 80));
    let listener = router
        .namespace()
        .enter(|| UdpSocket::bind(server))
        .unwrap()
        .unwrap();
    listener.set_read_timeout(Some(LIMIT)).unwrap();
    let client = guest
        .namespace()
        .enter(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    client.send_to(b"question", server).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(listener.recv(&mut buffer).unwrap(), 8);
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
        assert!(datapath.attached(socket, 22).unwrap().is_complete());
    });
    timed("detach both", &mut |datapath, socket| {
        datapath.detach(socket, 22).unwrap();
    });
}
