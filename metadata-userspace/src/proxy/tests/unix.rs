//! Our proxy in front of another agent.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::{SECOND, Served, config, serve};
use crate::config::ProxyConfig;
use crate::proxy::{UnixUpstream, Upstream};
use crate::testing::{ROUTER, raw};

/// Reads each connection once, as neutron-metadata-agent does, and answers
/// `reply` to what it got.
fn one_recv_peer(dir: &TempDir, reply: &'static str) -> mpsc::UnboundedReceiver<String> {
    let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let (requests, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            buffer.truncate(length);
            requests.send(String::from_utf8(buffer).unwrap()).unwrap();
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    received
}

async fn before(dir: &TempDir) -> Served {
    before_with(dir, &config()).await
}

async fn before_with(dir: &TempDir, config: &ProxyConfig) -> Served {
    let upstream = Arc::new(UnixUpstream::new(dir.path().join("socket")));
    serve(config, |_| Upstream::Unix(upstream)).await
}

#[tokio::test]
async fn neutrons_agent_gets_head_and_body_in_one_read() {
    let dir = TempDir::new().unwrap();
    let mut received = one_recv_peer(&dir, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = before(&dir).await;
    let answer = raw(
        proxy.address,
        "POST /password HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Forwarded-For: 10.0.0.66\r\nX-Neutron-Network-ID: evil\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nsecret\r\n0\r\n\r\n",
    )
    .await;
    assert!(answer.ends_with("ok"), "{answer}");
    let request = received.recv().await.unwrap();
    for line in [
        "POST /password HTTP/1.1\r\n",
        "host: 169.254.169.254\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        &format!("x-neutron-router-id: {ROUTER}\r\n"),
        "content-length: 6\r\n",
        "connection: close\r\n",
        "\r\n\r\nsecret",
    ] {
        assert_eq!(request.matches(line).count(), 1, "{line:?} in {request}");
    }
    assert!(
        !request.contains("evil") && !request.contains("chunked"),
        "{request}"
    );
}

/// A byte now and then is no silence, and would hold the guest's turn for days.
#[tokio::test]
async fn a_slow_body_is_408() {
    let dir = TempDir::new().unwrap();
    let mut received = one_recv_peer(&dir, "");
    let mut config = config();
    config.timeouts.client = 10 * SECOND;
    let proxy = before_with(&dir, &config).await;
    let slow = "POST /password HTTP/1.1\r\nContent-Length: 6\r\n\r\nsec";
    let answer = raw(proxy.address, slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(received.try_recv().is_err());
}

/// The end of its head would be missing, and with it perhaps of the guest's address.
#[tokio::test]
async fn neutrons_agent_is_given_no_head_that_one_read_does_not_take() {
    let dir = TempDir::new().unwrap();
    let mut received = one_recv_peer(&dir, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = before(&dir).await;
    let mut passed_on = 0;
    for padding in 3700..4096 {
        let padding = "x".repeat(padding);
        let answer = raw(
            proxy.address,
            format!("GET / HTTP/1.1\r\nPad: {padding}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        if answer.starts_with("HTTP/1.1 200 ") {
            let request = received.recv().await.unwrap();
            assert!(request.ends_with("\r\n\r\n"), "{request}");
            assert!(
                request.contains("x-forwarded-for: 127.0.0.1\r\n"),
                "{request}"
            );
            passed_on += 1;
        } else {
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            assert!(received.try_recv().is_err());
        }
    }
    assert!((1..396).contains(&passed_on), "{passed_on}");
}

#[tokio::test]
async fn every_target_has_a_path() {
    let dir = TempDir::new().unwrap();
    let mut received = one_recv_peer(&dir, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = before(&dir).await;
    for target in ["http://169.254.169.254#a", "http://169.254.169.254"] {
        raw(proxy.address, format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        let request = received.recv().await.unwrap();
        assert!(request.starts_with("GET / HTTP/1.0\r\n"), "{request}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_whole() {
    let dir = TempDir::new().unwrap();
    let _received = one_recv_peer(
        &dir,
        "HTTP/1.1 404 Not Found\nContent-Type: text/plain\n\nno",
    );
    let proxy = before(&dir).await;
    let answer = raw(proxy.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 404 ") && answer.ends_with("\r\n\r\nno"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_agent_that_is_away_is_503() {
    let dir = TempDir::new().unwrap();
    let proxy = before(&dir).await;
    let answer = raw(proxy.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}

#[tokio::test]
async fn an_agent_that_hangs_up_is_503_and_one_that_babbles_is_502() {
    for (reply, status) in [("", 503), ("babble babble babble\r\n\r\n", 502)] {
        let dir = TempDir::new().unwrap();
        let _received = one_recv_peer(&dir, reply);
        let proxy = before(&dir).await;
        let answer = raw(proxy.address, "GET / HTTP/1.0\r\n\r\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{answer}"
        );
    }
}
