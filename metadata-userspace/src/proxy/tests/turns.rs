//! What a guest with many requests at a time leaves for others.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{agent, config, serve};
use crate::testing::Fixed;

/// From an address of loopback, a request for `target` that is left without an answer.
async fn ask(proxy: SocketAddr, from: Ipv4Addr, target: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(proxy).await.unwrap();
    let request = format!("GET /{target} HTTP/1.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Requests that come to `nova` until none comes for a while.
async fn coming(nova: &TcpListener, kept: &mut Vec<TcpStream>) -> usize {
    let before = kept.len();
    while let Ok(accepted) = timeout(Duration::from_millis(200), nova.accept()).await {
        kept.push(accepted.unwrap().0);
    }
    kept.len() - before
}

#[tokio::test]
async fn a_guest_keeps_nova_busy_with_a_few_requests_and_its_neighbour_comes_next() {
    let nova = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.max_connections_per_guest = 100;
    let address = nova.local_addr().unwrap();
    let proxy = serve(&config, |metrics| agent(Fixed::found(), address, metrics)).await;
    let (mut flood, mut kept) = (Vec::new(), Vec::new());
    for target in 0..50 {
        flood.push(ask(proxy.address, Ipv4Addr::new(127, 0, 0, 1), target).await);
    }
    assert_eq!(coming(&nova, &mut kept).await, 4);
    let _neighbour = ask(proxy.address, Ipv4Addr::new(127, 0, 0, 2), 0).await;
    assert_eq!(coming(&nova, &mut kept).await, 1);
    // Those that are answered, or lost, make room for the next.
    kept.truncate(1);
    assert!(coming(&nova, &mut kept).await >= 3);
}
