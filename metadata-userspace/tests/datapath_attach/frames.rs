//! Frames as drivers hand them over.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use metadatad::datapath::ensure_route;
use xtask::lab::guest::Guest;
use xtask::lab::router::{Router, Subnet};

use crate::{PATIENCE, Place, VIP, echo, index_of, packets, socket_in};

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
    ensure_route(&socket).unwrap();
    echo(&router);
    let mut datapath = place.load();
    datapath
        .attach(&socket, index_of(&socket, interface))
        .unwrap();
    guest.namespace().enter(|| send_fragmented(8_000)).unwrap();
    let start = Instant::now();
    while packets(&datapath, "steered") == 0 && start.elapsed() < PATIENCE {
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
        .syn()
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
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    let client = guest
        .namespace()
        .enter(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    client.send_to(b"question", server).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(listener.recv(&mut buffer).unwrap(), 8);
}
