//! The datapath in namespaces of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod beside;
mod filters;
mod foreign;
mod frames;
#[path = "../support/listening.rs"]
mod listening;
#[path = "../support/lost_syns.rs"]
mod lost_syns;
mod pins;
mod route;
mod tcx;
mod upgrade;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use metadatad::config::{DatapathConfig, GuardConfig};
use metadatad::datapath::{AttachState, Datapath, unload_pins};
use metadatad::netlink::NamespaceSocket;
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::namespace::Namespace;
use xtask::lab::router::Router;
use xtask::lab::{proxy_socket, unique};

const VIP: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const PROXY: SocketAddrV4 = SocketAddrV4::new(VIP, 9697);
/// Where nothing tells whether it comes in time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where nothing is to come.
const LIMIT: Duration = Duration::from_secs(3);

/// What an interface of the socket's namespace, in which the caller is, carries.
fn attached(datapath: &Datapath, socket: &NamespaceSocket, interface: u32) -> AttachState {
    datapath.look(socket).unwrap().attached(interface).unwrap()
}

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
            guard: GuardConfig::default(),
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
        .enter(|| proxy_socket::open(PROXY.into()))
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
    is_answered_within(PATIENCE, guest)
}

fn is_answered_within(limit: Duration, guest: &Guest) -> bool {
    let Ok(mut connection) = guest.connect_within(METADATA.into(), limit) else {
        return false;
    };
    connection.set_read_timeout(Some(limit)).unwrap();
    let mut answer = [0; 5];
    connection.write_all(b"hello").is_ok()
        && connection.read_exact(&mut answer).is_ok()
        && &answer == b"hello"
}
