//! The namespace's TCP sockets, as the kernel's own lookup finds them.

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr;

use aya_ebpf::bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_sk_lookup_tcp, bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie,
};
use metadata_ebpf::METADATA_PORT;
use metadata_ebpf::decision::{Connection, Sockets};
use metadata_ebpf::flow::{Family, Flow};

/// `BPF_TCP_TIME_WAIT` and `BPF_TCP_LISTEN` of the kernel's uapi/linux/bpf.h.
const TIME_WAIT: u32 = 6;
const LISTEN: u32 = 10;
const CURRENT_NETNS: u64 = BPF_F_CURRENT_NETNS as i64 as u64;

/// The number on a socket that takes no new connections any more.
const RETIRED: u32 = 0;

/// `struct bpf_sock_tuple` is a union; its size tells which kind it holds.
const IPV4_TUPLE: u32 = 12;
const IPV6_TUPLE: u32 = 36;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

/// Sockets of the namespace in which a program runs.
pub(crate) struct ProxySockets {
    /// The program's context.
    pub ctx: *mut c_void,
    pub proxy_port: u16,
}

/// A socket of the kernel's, released on drop.
struct Found(*mut bpf_sock);

impl Sockets for ProxySockets {
    /// Asks with a source port that no connection has: else one in TIME_WAIT
    /// would stand for a listener that is gone.
    #[inline(always)]
    fn listener(&self, flow: &Flow) -> Option<u32> {
        let (mut tuple, size) = tuple(flow, 0, self.proxy_port);
        let tuple: *mut bpf_sock_tuple = tuple.as_mut_ptr().cast();
        // SAFETY: the context and the first `size` bytes of the tuple are valid.
        let socket = unsafe { bpf_sk_lookup_tcp(self.ctx, tuple, size, CURRENT_NETNS, 0) };
        let socket = Found::new(socket)?;
        let number = socket.number();
        if socket.is_bound_to_destination(flow) && number != RETIRED {
            Some(number)
        } else {
            None
        }
    }

    #[inline(always)]
    fn is_anothers(&self, flow: &Flow) -> bool {
        match self.find(flow, METADATA_PORT) {
            Some(socket) => !matches!(socket.state(), LISTEN | TIME_WAIT),
            None => false,
        }
    }

    #[inline(always)]
    fn connection(&self, flow: &Flow, header: &[u8; 20]) -> Connection {
        let Some(socket) = self.find(flow, self.proxy_port) else {
            return Connection::None;
        };
        if !socket.is_bound_to_destination(flow) {
            return Connection::None;
        }
        match socket.state() {
            LISTEN if !socket.has_sent_cookie(flow, header, self.proxy_port) => Connection::None,
            TIME_WAIT => Connection::Over,
            _ => Connection::Alive,
        }
    }
}

impl ProxySockets {
    /// The socket that has the flow's connection to a port, or listens there.
    #[inline(always)]
    fn find(&self, flow: &Flow, port: u16) -> Option<Found> {
        let (mut tuple, size) = tuple(flow, flow.source_port, port);
        let tuple: *mut bpf_sock_tuple = tuple.as_mut_ptr().cast();
        // SAFETY: the context and the first `size` bytes of the tuple are valid.
        let socket = unsafe { bpf_skc_lookup_tcp(self.ctx, tuple, size, CURRENT_NETNS, 0) };
        Found::new(socket)
    }
}

impl Found {
    #[inline(always)]
    fn new(socket: *mut bpf_sock) -> Option<Self> {
        // Not `then_some`: that would make one of no socket, and drop it.
        if socket.is_null() {
            None
        } else {
            Some(Self(socket))
        }
    }

    /// Each read is volatile, since merged with another it would be wider than
    /// the verifier allows for these fields, and none depends on another, since
    /// the compiler would then keep a pointer into the socket, which the
    /// verifier does not allow either.
    #[inline(always)]
    fn is_bound_to_destination(&self, flow: &Flow) -> bool {
        let [a, b, c, d] = flow.destination.words();
        let socket = self.0;
        // SAFETY: the socket is held until it is dropped.
        let (ipv4, ipv6) = unsafe {
            let words = (&raw const (*socket).src_ip6).cast::<u32>();
            (
                ptr::read_volatile(&raw const (*socket).src_ip4),
                [
                    ptr::read_volatile(words),
                    ptr::read_volatile(words.add(1)),
                    ptr::read_volatile(words.add(2)),
                    ptr::read_volatile(words.add(3)),
                ],
            )
        };
        match flow.family {
            Family::Ipv4 => ipv4 == d,
            Family::Ipv6 => {
                let [e, f, g, h] = ipv6;
                e == a && f == b && g == c && h == d
            }
        }
    }

    /// What metadatad wrote on it, as its priority: the number of its namespace, which
    /// a program cannot ask for.
    #[inline(always)]
    fn number(&self) -> u32 {
        // SAFETY: the socket is held until it is dropped.
        unsafe { ptr::read_volatile(&raw const (*self.0).priority) }
    }

    #[inline(always)]
    fn state(&self) -> u32 {
        // SAFETY: the socket is held until it is dropped.
        unsafe { ptr::read_volatile(&raw const (*self.0).state) }
    }

    /// The kernel makes and checks the cookie over the port that it sees,
    /// which is the proxy's; of the IP header it reads version and addresses.
    #[inline(always)]
    fn has_sent_cookie(&self, flow: &Flow, header: &[u8; 20], proxy_port: u16) -> bool {
        let mut tcp = *header;
        let [port_a, port_b] = proxy_port.to_be_bytes();
        let [_, _, a, b, ..] = &mut tcp;
        (*a, *b) = (port_a, port_b);
        let (mut ip, size) = ip_header(flow);
        // SAFETY: both headers are on the stack, whole and initialised.
        unsafe {
            bpf_tcp_check_syncookie(
                self.0.cast(),
                ip.as_mut_ptr().cast(),
                size,
                tcp.as_mut_ptr().cast(),
                size_of::<[u8; 20]>() as u32,
            ) == 0
        }
    }
}

impl Drop for Found {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a lookup gave the socket, and it is released once.
        unsafe { bpf_sk_release(self.0.cast()) };
    }
}

#[inline(always)]
fn tuple(flow: &Flow, source_port: u16, destination_port: u16) -> ([u32; 9], u32) {
    let [a, b] = source_port.to_be_bytes();
    let [c, d] = destination_port.to_be_bytes();
    let ports = u32::from_ne_bytes([a, b, c, d]);
    let [s0, s1, s2, s3] = flow.source.words();
    let [d0, d1, d2, d3] = flow.destination.words();
    match flow.family {
        Family::Ipv4 => ([s3, d3, ports, 0, 0, 0, 0, 0, 0], IPV4_TUPLE),
        Family::Ipv6 => ([s0, s1, s2, s3, d0, d1, d2, d3, ports], IPV6_TUPLE),
    }
}

#[inline(always)]
fn ip_header(flow: &Flow) -> ([u32; 10], u32) {
    let [s0, s1, s2, s3] = flow.source.words();
    let [d0, d1, d2, d3] = flow.destination.words();
    match flow.family {
        Family::Ipv4 => {
            let version = u32::from_ne_bytes([0x45, 0, 0, 0]);
            ([version, 0, 0, s3, d3, 0, 0, 0, 0, 0], IPV4_HEADER)
        }
        Family::Ipv6 => {
            let version = u32::from_ne_bytes([0x60, 0, 0, 0]);
            ([version, 0, s0, s1, s2, s3, d0, d1, d2, d3], IPV6_HEADER)
        }
    }
}
