use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{SECOND, before, config, patient};
use crate::config::{RateLimits, RateWindow};
use crate::testing::{Scripted, comes_true, raw, read_message};

#[tokio::test]
async fn heads_have_a_limit() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let padding = |bytes| "a".repeat(bytes);
    let headers = |count| "X: y\r\n".repeat(count);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nX: {}\r\n", padding(15_000)), 200),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n", padding(20_000)), 431),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n", padding(200_000)),
            431,
        ),
        (format!("GET / HTTP/1.1\r\n{}", headers(90)), 200),
        (format!("GET / HTTP/1.1\r\n{}", headers(150)), 431),
        (format!("GET /{} HTTP/1.1\r\n", padding(7_000)), 200),
        (format!("GET /{} HTTP/1.1\r\n", padding(9_000)), 414),
    ] {
        let answer = raw(proxy.address, format!("{head}Connection: close\r\n\r\n")).await;
        let wanted = format!("HTTP/1.1 {status} ");
        let (start, _) = head.split_at(30);
        assert!(
            answer.starts_with(&wanted),
            "{start}… {}: {answer}",
            head.len()
        );
    }
    assert_eq!(proxy.metrics.totals().requests.get("431"), Some(&3));
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_408() {
    let nova = Scripted::constant("hello").await;
    let mut config = patient();
    config.timeouts.http_request = SECOND / 4;
    let proxy = before(&nova, &config).await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let slow = async {
        for byte in b"GET / HTTP/1.1\r\nX: " {
            let _ = stream.write_all(&[*byte]).await;
            tokio::time::sleep(SECOND / 20).await;
        }
    };
    let _ = tokio::time::timeout(SECOND / 2, slow).await;
    let mut answer = Vec::new();
    // A byte that came after the end makes it a reset.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < 10 * SECOND);
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let nova = Scripted::constant("hello").await;
    let mut config = patient();
    config.timeouts.http_request = SECOND / 4;
    let proxy = before(&nova, &config).await;
    assert_eq!(raw(proxy.address, "").await, "");
    let mut config = patient();
    config.timeouts.http_keep_alive = SECOND / 4;
    let proxy = before(&nova, &config).await;
    let mut kept = TcpStream::connect(proxy.address).await.unwrap();
    let idle = Instant::now();
    kept.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_message(&mut kept).await.unwrap();
    assert_eq!(kept.read(&mut [0]).await.unwrap(), 0);
    assert!(idle.elapsed() > SECOND / 5 && idle.elapsed() < 10 * SECOND);
}

#[tokio::test]
async fn requests_in_time_keep_a_connection() {
    let nova = Scripted::constant("hello").await;
    let mut config = patient();
    config.timeouts.http_keep_alive = 2 * SECOND;
    let proxy = before(&nova, &config).await;
    let mut kept = TcpStream::connect(proxy.address).await.unwrap();
    for _ in 0..5 {
        kept.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(read_message(&mut kept).await.unwrap().ends_with("hello"));
        tokio::time::sleep(SECOND / 2).await;
    }
}

#[tokio::test]
async fn a_guest_that_does_not_take_its_answer_is_let_go() {
    let nova = Scripted::start(|_| crate::testing::ok(&"x".repeat(16 << 20))).await;
    let mut config = patient();
    config.timeouts.client = SECOND / 4;
    let proxy = before(&nova, &config).await;
    let mut guest = TcpStream::connect(proxy.address).await.unwrap();
    guest.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(comes_true(|| !nova.seen().is_empty()).await);
    let open = || proxy.metrics.totals().connections_open;
    assert!(comes_true(|| open() == 0).await);
}

#[tokio::test]
async fn too_many_connections_of_one_guest_are_503() {
    let nova = Scripted::constant("hello").await;
    let mut config = patient();
    config.max_connections_per_guest = 2;
    let proxy = before(&nova, &config).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        read_message(&mut stream).await.unwrap();
        held.push(stream);
    }
    let answer = raw(proxy.address, "GET / HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.ends_with("open connections.\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    assert_eq!(proxy.metrics.totals().refused.get("connections"), Some(&1));
    drop(held);
    let open = || proxy.metrics.totals().connections_open;
    assert!(comes_true(|| open() == 0).await);
    let answer = raw(proxy.address, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_guest_that_asks_too_often_is_429_until_it_slows_down() {
    let nova = Scripted::constant("hello").await;
    let mut config = config();
    let window = |milliseconds, requests| RateWindow {
        duration: Duration::from_millis(milliseconds),
        requests,
    };
    config.rate_limits = Some(RateLimits {
        ipv4: true,
        ipv6: true,
        base: window(5000, 3),
        burst: window(1000, 2),
    });
    let proxy = before(&nova, &config).await;
    let ask = || raw(proxy.address, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    let started = Instant::now();
    for status in [200, 200, 429] {
        let answer = ask().await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{answer}");
    }
    // Hammering on keeps nobody out.
    while nova.seen().len() < 3 {
        assert!(started.elapsed() < 4 * SECOND, "it is kept out");
        ask().await;
    }
    let refused = ask().await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("a guest may make 3 within"), "{refused}");
    let (_, wait) = refused.split_once("retry-after: ").unwrap();
    let wait = wait.lines().next().unwrap().parse().unwrap();
    assert!((1..=4).contains(&wait), "{refused}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert!(ask().await.starts_with("HTTP/1.1 200 "));
    assert!(proxy.metrics.totals().refused.get("rate") > Some(&1));
}
