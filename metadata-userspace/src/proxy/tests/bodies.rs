use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::{SECOND, agent, before, config, patient, serve};
use crate::testing::{Fixed, Scripted, ok, raw, read_message};

const HEAD: &str = "POST /openstack/2013-04-04/password HTTP/1.1\r\nConnection: close\r\n";

#[tokio::test]
async fn a_password_reaches_nova_whole() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &patient()).await;
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

/// In which Nova would have been asked long since.
const A_WHILE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn nova_is_not_kept_waiting_for_a_guest() {
    let nova = Scripted::constant("stored").await;
    let mut config = patient();
    // Silence of less than this, again and again.
    config.timeouts.client = 10 * A_WHILE;
    let proxy = before(&nova, &config).await;
    let mut guest = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("{HEAD}Content-Length: 6\r\n\r\n");
    for part in [head.as_bytes(), b"s", b"ecre"] {
        guest.write_all(part).await.unwrap();
        sleep(4 * A_WHILE).await;
        assert_eq!(nova.connections(), 0);
    }
    guest.write_all(b"t").await.unwrap();
    assert!(read_message(&mut guest).await.unwrap().ends_with("stored"));
    assert!(nova.seen().concat().ends_with("\r\n\r\nsecret"));
}

#[tokio::test]
async fn of_a_long_body_much_is_here_before_nova_is_asked() {
    let nova = Scripted::start(|request| ok(&request.matches('y').count().to_string())).await;
    let mut config = patient();
    config.max_body_size = 1 << 20;
    let proxy = before(&nova, &config).await;
    let mut guest = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("{HEAD}Content-Length: 100000\r\n\r\n");
    let part = "y".repeat(50_000);
    for part in [&head, &part] {
        guest.write_all(part.as_bytes()).await.unwrap();
        sleep(A_WHILE).await;
        assert_eq!(nova.connections(), 0);
    }
    guest.write_all(part.as_bytes()).await.unwrap();
    assert!(read_message(&mut guest).await.unwrap().ends_with("100000"));
}

#[tokio::test]
async fn a_request_with_a_body_waits_in_line() {
    let nova = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.max_connections_per_guest = 100;
    let address = nova.local_addr().unwrap();
    let proxy = serve(&config, |metrics| agent(Fixed::found(), address, metrics)).await;
    let mut guests = Vec::new();
    for guest in 1..30 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, guest], 0).into()).unwrap();
        let mut stream = socket.connect(proxy.address).await.unwrap();
        let request = b"GET /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx";
        stream.write_all(request).await.unwrap();
        guests.push(stream);
    }
    let mut asked = Vec::new();
    while let Ok(accepted) = timeout(2 * A_WHILE, nova.accept()).await {
        asked.push(accepted.unwrap());
    }
    assert!(asked.len() < guests.len(), "{} at once", asked.len());
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

/// Nova would take the compressed bytes for the body.
#[tokio::test]
async fn no_other_coding_of_a_body_is_passed_on() {
    let nova = Scripted::constant("").await;
    let proxy = before(&nova, &config()).await;
    for codings in ["gzip, chunked", "chunked\r\nTransfer-Encoding: chunked"] {
        let head = format!("{HEAD}Connection: close\r\nTransfer-Encoding: {codings}\r\n\r\n");
        let answer = raw(proxy.address, format!("{head}3\r\nsec\r\n0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{codings}: {answer}");
    }
    assert_eq!(nova.seen(), Vec::<String>::new());
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

/// A guest may be silent for longer than Nova: 32 s and 28 s by default.
#[tokio::test]
async fn a_slow_body_is_the_guests_fault_and_not_novas() {
    let nova = Scripted::constant("").await;
    let mut config = config();
    config.timeouts.client = 10 * SECOND;
    let proxy = before(&nova, &config).await;
    let answer = raw(proxy.address, format!("{HEAD}Content-Length: 6\r\n\r\nsec")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("body did not arrive within 2s"), "{answer}");
    let seen = proxy.metrics.dependencies.snapshot();
    assert!(!seen.contains_key("nova"), "{seen:?}");
}

/// Nova is waiting for the rest of this one.
#[tokio::test]
async fn so_is_a_long_body_that_stalls() {
    let nova = Scripted::constant("").await;
    let mut config = config();
    (config.timeouts.client, config.max_body_size) = (10 * SECOND, 1 << 20);
    let proxy = before(&nova, &config).await;
    let begun = format!("{HEAD}Content-Length: 100000\r\n\r\n{}", "y".repeat(70_000));
    let answer = raw(proxy.address, begun).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(nova.connections(), 1);
    let seen = proxy.metrics.dependencies.snapshot();
    assert!(!seen.contains_key("nova"), "{seen:?}");
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
