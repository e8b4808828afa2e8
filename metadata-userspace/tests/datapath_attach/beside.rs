//! The programs beside somebody else's proxy: whoever holds a connection keeps
//! it, and new ones go to ours exactly while it listens.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use metadatad::datapath::{Datapath, ensure_route};
use metadatad::netlink::NamespaceSocket;
use nix::sys::socket::{setsockopt, sockopt};
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::proxy_socket;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::wait;

use crate::listening::end_listening;
use crate::lost_syns::no_syn_was_lost;
use crate::{LIMIT, PATIENCE, PROXY, Place, index_of, packets, socket_in};

const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
/// The first byte of each answer tells whose it is.
const OURS: u8 = b'o';
const OTHERS: u8 = b't';

/// Answers each byte on each connection with its name.
struct Server {
    address: SocketAddr,
    router: Arc<Router>,
    stopping: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(router: &Arc<Router>, address: SocketAddr, name: u8) -> Self {
        let listen = || match name {
            OURS => proxy_socket::open(address),
            _ => TcpListener::bind(address),
        };
        let listener = router.namespace().enter(listen).unwrap().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let is_stopping = Arc::clone(&stopping);
        let accepting = thread::spawn(move || {
            for connection in listener.incoming() {
                if is_stopping.load(Ordering::Relaxed) {
                    return end_listening(&listener).unwrap();
                }
                thread::spawn(move || answer(connection.unwrap(), name));
            }
        });
        Self {
            address,
            router: Arc::clone(router),
            stopping,
            accepting: Some(accepting),
        }
    }

    /// Closes the listening socket; connections go on.
    fn stop_listening(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let address = self.address;
        let woken = self
            .router
            .namespace()
            .enter(|| TcpStream::connect(address));
        woken.unwrap().unwrap();
        self.accepting.take().unwrap().join().unwrap();
    }
}

/// Ends at the byte 0, and so is the first to close.
fn answer(mut connection: TcpStream, name: u8) {
    let mut byte = [0];
    while connection.read_exact(&mut byte).is_ok() && byte != [0] {
        if connection.write_all(&[name]).is_err() {
            return;
        }
    }
}

/// Who answers on this connection.
fn ask(connection: &mut TcpStream) -> u8 {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(b"?").unwrap();
    let mut name = [0];
    connection.read_exact(&mut name).unwrap();
    name[0]
}

fn end(mut connection: TcpStream) {
    connection.write_all(&[0]).unwrap();
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).unwrap();
}

/// A router without programs on its interface to a guest.
struct Hop {
    router: Arc<Router>,
    guest: Guest,
    socket: NamespaceSocket,
    interface: u32,
}

impl Hop {
    fn new() -> Self {
        let router = Arc::new(Router::create().unwrap());
        let guest = Guest::behind(&router, Subnet::TUTORIAL).unwrap();
        let socket = socket_in(router.namespace());
        ensure_route(&socket).unwrap();
        let interface = index_of(&socket, &guest.router_interface);
        Self {
            router,
            guest,
            socket,
            interface,
        }
    }

    fn attach(&self, datapath: &mut Datapath) {
        datapath.attach(&self.socket, self.interface).unwrap();
    }
}

#[test]
fn connections_stay_with_whoever_has_them() {
    let place = Place::new();
    let hop = Hop::new();
    let _others = Server::start(&hop.router, METADATA.into(), OTHERS);
    let mut before = hop.guest.connect().unwrap();
    assert_eq!(ask(&mut before), OTHERS);

    let mut datapath = place.load();
    hop.attach(&mut datapath);
    assert_eq!(
        ask(&mut hop.guest.connect().unwrap()),
        OTHERS,
        "no listener"
    );
    let ours = Server::start(&hop.router, PROXY.into(), OURS);
    let mut during = hop.guest.connect().unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&mut during), OURS);
        assert_eq!(ask(&mut before), OTHERS);
    }
    ours.stop_listening();
    assert_eq!(ask(&mut hop.guest.connect().unwrap()), OTHERS, "at once");
    assert_eq!(ask(&mut during), OURS);
    assert_eq!(ask(&mut before), OTHERS);
    end(during);
    datapath.detach(&hop.socket, hop.interface).unwrap();
    assert_eq!(ask(&mut before), OTHERS);
    assert!(packets(&datapath, "not_ours_passed") > 0);
}

#[test]
fn a_listener_that_is_about_to_close_gets_nothing_new() {
    let place = Place::new();
    let hop = Hop::new();
    let _others = Server::start(&hop.router, METADATA.into(), OTHERS);
    let inside = hop.router.namespace();
    let ours = inside.enter(|| proxy_socket::open(PROXY.into()));
    let ours = ours.unwrap().unwrap();
    let mut datapath = place.load();
    hop.attach(&mut datapath);
    let mut before = hop.guest.connect().unwrap();
    // Not accepted yet: it is one of those that are on their way.
    setsockopt(&ours, sockopt::Priority, &0).unwrap();
    assert_eq!(ask(&mut hop.guest.connect().unwrap()), OTHERS);
    let (accepted, _) = ours.accept().unwrap();
    thread::spawn(move || answer(accepted, OURS));
    assert_eq!(ask(&mut before), OURS);
}

#[test]
fn a_connection_in_time_wait_stands_in_nobodys_way() {
    let place = Place::new();
    let hop = Hop::new();
    let _others = Server::start(&hop.router, METADATA.into(), OTHERS);
    let ours = Server::start(&hop.router, PROXY.into(), OURS);
    let mut datapath = place.load();
    hop.attach(&mut datapath);
    let source = SocketAddrV4::new(hop.guest.address, 40_000);
    let ask_from_there = || {
        let mut connection = hop.guest.connect_from(source).unwrap();
        let name = ask(&mut connection);
        end(connection);
        name
    };
    assert_eq!(ask_from_there(), OURS);
    assert_eq!(ask_from_there(), OURS);
    ours.stop_listening();
    assert_eq!(ask_from_there(), OTHERS);
    let _ours = Server::start(&hop.router, PROXY.into(), OURS);
    assert_eq!(ask_from_there(), OURS);
    no_syn_was_lost(&hop.guest).unwrap();
}

#[test]
fn syn_cookies_are_answered() {
    let place = Place::new();
    let hop = Hop::new();
    // Always, not only under a flood.
    hop.router
        .namespace()
        .sysctl("ipv4/tcp_syncookies", "2")
        .unwrap();
    let ours = Server::start(&hop.router, PROXY.into(), OURS);
    let mut datapath = place.load();
    hop.attach(&mut datapath);
    for _ in 0..5 {
        assert_eq!(ask(&mut hop.guest.connect().unwrap()), OURS);
    }
    let inside = hop.router.namespace();
    let counted = inside.sh("nstat -asz TcpExtSyncookiesRecv").unwrap();
    assert!(
        counted.contains("TcpExtSyncookiesRecv            5"),
        "{counted}"
    );
    assert_eq!(packets(&datapath, "not_ours_passed"), 0);
    drop(ours);
}

#[test]
fn a_guest_is_served_over_ipv6() {
    let place = Place::new();
    let hop = Hop::new();
    let (inside, interface) = (hop.router.namespace(), &hop.guest.router_interface);
    inside
        .ip(&format!(
            "address add {METADATA_V6}/128 dev {interface} nodad"
        ))
        .unwrap();
    // Always cookies: every way in is tried at once.
    inside.sysctl("ipv4/tcp_syncookies", "2").unwrap();
    let here = |port, scope| SocketAddr::from(SocketAddrV6::new(METADATA_V6, port, 0, scope));
    let mut datapath = place.load();
    hop.attach(&mut datapath);
    let scope = index_of(&socket_in(hop.guest.namespace()), "eth0");
    let connect_within = |limit, port| hop.guest.connect_within(here(port, scope), limit);
    let connect = |port| connect_within(PATIENCE, port);
    let _others = Server::start(&hop.router, here(80, hop.interface), OTHERS);
    // The guest's own address has to get through duplicate address detection.
    wait::until("the guest's address", PATIENCE, || Ok(connect(80).is_ok())).unwrap();
    let mut before = connect(80).unwrap();
    let ours = Server::start(&hop.router, here(9697, hop.interface), OURS);
    for _ in 0..3 {
        assert_eq!(ask(&mut connect(80).unwrap()), OURS);
        assert_eq!(ask(&mut before), OTHERS);
    }
    assert!(connect_within(LIMIT, 9697).is_err());
    ours.stop_listening();
    assert_eq!(ask(&mut connect(80).unwrap()), OTHERS);
    assert!(packets(&datapath, "override_cleared") > 0);
}
