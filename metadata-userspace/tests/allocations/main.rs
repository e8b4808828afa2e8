//! How often a request makes the worker ask for memory.
//!
//! Proxy, agent and the client of Nova as the worker puts them together, over real
//! sockets, with the access log. Only the thread that serves is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting;
mod nova;
mod served;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use counting::{Allocations, Counting};
use nova::ANSWER;
use served::serve;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Before they are counted: connections are opened, tables grow.
const WARM_UP: usize = 1_000;
const REQUESTS: usize = 2_000;

/// As in `cargo xtask bench`.
const PAGES: usize = 200;

#[test]
fn requests_need_little_memory() {
    for (what, response_ttl, most) in [
        ("Nova", Duration::ZERO, 14),
        ("cache", Duration::from_secs(3600), 13),
    ] {
        let served = serve(response_ttl);
        let mut guest = TcpStream::connect(served.address).unwrap();
        ask(&mut guest, WARM_UP);
        let before = served.allocations();
        ask(&mut guest, REQUESTS);
        let Allocations { count, bytes } = served.allocations() - before;
        println!(
            "a keep-alive request, answered from {what}: {:.1} allocations, {:.0} bytes",
            each(count),
            each(bytes),
        );
        assert!(count <= most * REQUESTS, "{count} of {REQUESTS} requests");
    }
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn each(sum: usize) -> f64 {
    sum as f64 / REQUESTS as f64
}

/// On one connection, one request after the other.
fn ask(guest: &mut TcpStream, requests: usize) {
    let mut answer = Vec::new();
    for page in 0..requests {
        let request = format!(
            "GET /openstack/latest/meta_data.json?{} HTTP/1.1\r\n\
             Host: 169.254.169.254\r\nUser-Agent: Cloud-Init/24.4\r\nAccept: */*\r\n\r\n",
            page % PAGES
        );
        guest.write_all(request.as_bytes()).unwrap();
        answer.clear();
        while !answer.ends_with(ANSWER.as_bytes()) {
            let mut part = [0; 4096];
            let count = guest.read(&mut part).unwrap();
            assert!(count > 0, "the connection was closed");
            answer.extend(part.iter().take(count));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
}

/// Where the proxy is.
struct Served {
    address: SocketAddr,
    allocations: &'static counting::Counters,
}

impl Served {
    fn allocations(&self) -> Allocations {
        self.allocations.read()
    }
}
