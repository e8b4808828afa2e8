use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{SECOND, before, config};
use crate::testing::{Scripted, ok, raw, read_message};

const HEAD: &str = "POST /openstack/2013-04-04/password HTTP/1.1\r\nConnection: close\r\n";

#[tokio::test]
async fn a_password_reaches_nova_whole() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("{HEAD}Content-Length: 6\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // python-requests sends the body in a segment of its own.
    tokio::time::sleep(SECOND / 10).await;
    stream.write_all(b"secret").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = nova.seen().concat().to_lowercase();
    assert!(
        seen.contains("content-length: 6\r\n") && seen.ends_with("\r\n\r\nsecret"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    raw(proxy.address, format!("{HEAD}\r\n")).await;
    assert!(
        nova.seen()
            .concat()
            .to_lowercase()
            .contains("content-length: 0\r\n")
    );
}

#[tokio::test]
async fn short_chunked_bodies_get_a_length_and_lose_their_trailers() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    let body = "3\r\nsec\r\n3\r\nret\r\n0\r\nX-Instance-ID: evil\r\n\r\n";
    raw(
        proxy.address,
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}"),
    )
    .await;
    let seen = nova.seen().concat().to_lowercase();
    assert!(
        seen.contains("content-length: 6\r\n") && seen.ends_with("\r\n\r\nsecret"),
        "{seen}"
    );
    assert!(
        !seen.contains("chunked") && !seen.contains("evil"),
        "{seen}"
    );
}

#[tokio::test]
async fn long_chunked_bodies_are_streamed() {
    let nova = Scripted::start(|request| ok(&request.matches('y').count().to_string())).await;
    let mut config = config();
    config.max_body_size = 1 << 20;
    let proxy = before(&nova, &config).await;
    let chunk = format!("c350\r\n{}\r\n", "y".repeat(50_000));
    let body = format!("{chunk}{chunk}{chunk}0\r\n\r\n");
    let answer = raw(
        proxy.address,
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}"),
    )
    .await;
    assert!(answer.ends_with("150000"), "{answer}");
}

#[tokio::test]
async fn expect_is_answered_before_the_body_is_sent() {
    let nova = Scripted::constant("stored").await;
    let proxy = before(&nova, &config()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("{HEAD}Expect: 100-continue\r\nContent-Length: 6\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let interim = read_message(&mut stream).await.unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"secret").await.unwrap();
    assert!(read_message(&mut stream).await.unwrap().ends_with("stored"));
    assert!(!nova.seen().concat().to_lowercase().contains("expect"));
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    let known = format!("{HEAD}Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n");
    let answer = raw(proxy.address, known).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 "),
        "no 100 first: {answer}"
    );
    let chunk = format!("fde8\r\n{}\r\n", "y".repeat(65_000));
    let running_over =
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}{chunk}");
    let answer = raw(proxy.address, running_over).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let most = format!("{HEAD}Content-Length: 65536\r\n\r\n{}", "y".repeat(65_536));
    let answer = raw(proxy.address, most).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_guest_that_falls_silent_in_its_body_is_408() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(proxy.address, format!("{HEAD}Content-Length: 6\r\n\r\nsec")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n");
    let answer = raw(proxy.address, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn binary_and_gzip_bodies_arrive_as_nova_sent_them() {
    let body = b"\x1f\x8b\x08\x00\xff\xfe\x00binary";
    let nova = Scripted::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Encoding: gzip\r\nContent-Length: 13\r\n\r\n";
        [head.as_bytes(), body].concat()
    })
    .await;
    let proxy = before(&nova, &config()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let get = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    stream.write_all(get).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(body));
}
