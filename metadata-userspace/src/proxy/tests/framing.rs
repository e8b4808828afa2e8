use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{before, config};
use crate::testing::{INSTANCE, PROJECT, Scripted, ok, raw, read_message};

const CLOSE: &str = "Host: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_guest_gets_its_metadata_and_nova_learns_who_asked() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(
        proxy.address,
        format!("GET /openstack/latest?x=1 HTTP/1.1\r\nX-Instance-ID: evil\r\nX_Forwarded_For: 10.0.0.66\r\nCookie: c\r\n{CLOSE}"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let seen = nova.seen().concat().to_lowercase();
    assert!(
        seen.starts_with("get /openstack/latest?x=1 http/1.1\r\n"),
        "{seen}"
    );
    for header in [
        "x-forwarded-for: 127.0.0.1\r\n".to_owned(),
        format!("x-instance-id: {INSTANCE}\r\n"),
        format!("x-tenant-id: {PROJECT}\r\n"),
        "x-instance-id-signature: ".to_owned(),
        "user-agent: metadatad/".to_owned(),
        "accept: */*\r\n".to_owned(),
        format!("host: {}\r\n", nova.address),
    ] {
        assert_eq!(seen.matches(&header).count(), 1, "{header} in {seen}");
    }
    assert!(!seen.contains("evil") && !seen.contains("10.0.0.66") && !seen.contains("cookie"));
    assert_eq!(proxy.metrics.totals().requests.get("200"), Some(&1));
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(proxy.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn chunks_from_nova_reach_an_http_1_0_guest_without_chunking() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let nova = Scripted::start(move |_| chunked.into()).await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(proxy.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
}

#[tokio::test]
async fn a_guest_that_closes_its_sending_side_is_answered() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let nova = Scripted::start(|request| ok(request.split(' ').nth(1).unwrap())).await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(
        proxy.address,
        format!("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n{CLOSE}"),
    )
    .await;
    let bodies: Vec<_> = answer
        .split("HTTP/1.1 200 OK")
        .filter_map(|part| part.rsplit("\r\n\r\n").next())
        .filter(|body| !body.is_empty())
        .collect();
    assert_eq!(bodies, ["/a", "/b", "/c"]);
    assert_eq!(nova.connections(), 1, "the connection to Nova is kept");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let nova = Scripted::start(|request| match request.split(' ').nth(1).unwrap() {
        "/there" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n".to_vec(),
    })
    .await;
    let proxy = before(&nova, &config()).await;
    let answer = raw(
        proxy.address,
        format!("HEAD /there HTTP/1.1\r\n\r\nHEAD /missing HTTP/1.1\r\n{CLOSE}"),
    )
    .await;
    let answer = answer.to_lowercase();
    let (there, missing) = answer.split_once("\r\n\r\n").unwrap();
    assert!(there.starts_with("http/1.1 200") && there.contains("content-length: 5"));
    assert!(missing.starts_with("http/1.1 404") && missing.contains("content-length: 9"));
    assert!(missing.ends_with("\r\n\r\n"), "{missing}");
}

#[tokio::test]
async fn an_absolute_target_is_taken_for_its_path() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    raw(
        proxy.address,
        format!("GET http://169.254.169.254/a//b HTTP/1.1\r\n{CLOSE}"),
    )
    .await;
    assert!(nova.seen().concat().starts_with("GET /a/b HTTP/1.1\r\n"));
}

#[tokio::test]
async fn tunnels_and_echoes_are_refused_and_upgrades_ignored() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    for line in ["CONNECT 10.0.0.1:22", "TRACE /"] {
        let answer = raw(proxy.address, format!("{line} HTTP/1.1\r\n{CLOSE}")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
    assert!(nova.seen().is_empty());
    let upgrade = format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\n{CLOSE}");
    let answer = raw(proxy.address, upgrade).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!nova.seen().concat().to_lowercase().contains("upgrade"));
}

#[tokio::test]
async fn malformed_heads_are_400() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    for head in [
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nX : a\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/3.7\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let answer = raw(proxy.address, head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
    }
    assert_eq!(nova.seen(), Vec::<String>::new());
    assert_eq!(proxy.metrics.totals().requests.get("400"), Some(&8));
}

/// Two hops must never disagree where a request ends: none of these lets a
/// second request be seen.
#[tokio::test]
async fn nothing_is_smuggled() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = smuggled.len();
    for (head, body) in [
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n".into(),
            smuggled.into(),
        ),
        ("Content-Length: 5, 6\r\n".into(), smuggled.into()),
        ("Content-Length: +5\r\n".into(), smuggled.into()),
        ("Content-Length: -1\r\n".into(), smuggled.into()),
        ("Content-Length: 0x5\r\n".into(), smuggled.into()),
        ("Transfer-Encoding: identity\r\n".into(), smuggled.into()),
        (
            "Transfer-Encoding: chunked, identity\r\n".into(),
            smuggled.into(),
        ),
        ("Transfer-Encoding: xchunked\r\n".into(), smuggled.into()),
        (
            "Transfer-Encoding : chunked\r\n".into(),
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("0x0\r\n\r\n{smuggled}"),
        ),
        (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("-1\r\n\r\n{smuggled}"),
        ),
        // Both at once: the chunks count (RFC 9112 section 6.3), the connection ends.
        (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
            format!("0\r\n\r\n{smuggled}"),
        ),
    ] as [(String, String); 13]
    {
        let answer = raw(
            proxy.address,
            format!("POST /first HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}"),
        )
        .await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{head:?} {body:?}: {answer}");
        assert!(
            !nova.seen().concat().contains("smuggled"),
            "{head:?} {body:?}"
        );
    }
}

#[tokio::test]
async fn chunks_in_http_1_0_are_refused() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let request = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = raw(proxy.address, request).await;
    assert!(answer.contains(" 400 "), "{answer}");
}

#[tokio::test]
async fn draining_ends_idle_connections_and_lets_answers_finish() {
    let nova = Scripted::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(150));
        ok("late")
    })
    .await;
    let proxy = before(&nova, &config()).await;
    let mut idle = TcpStream::connect(proxy.address).await.unwrap();
    let mut busy = TcpStream::connect(proxy.address).await.unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    while nova.connections() == 0 {
        tokio::task::yield_now().await;
    }
    proxy.drain.cancel();
    let answer = read_message(&mut busy).await.unwrap();
    assert!(answer.ends_with("late"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    assert!(TcpStream::connect(proxy.address).await.is_err());
}

#[tokio::test]
async fn ending_the_server_resets_its_connections_at_once() {
    let nova = Scripted::constant("hello").await;
    let proxy = before(&nova, &config()).await;
    let mut guest = TcpStream::connect(proxy.address).await.unwrap();
    guest.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_message(&mut guest).await.unwrap();
    drop(proxy);
    let end = guest.read(&mut [0]).await.unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_status_that_upstream_turns_into_502_is_passed_on() {
    for status in [201, 204, 304, 401, 405, 413, 429, 500, 501] {
        let nova = Scripted::start(move |_| {
            format!("HTTP/1.1 {status} X\r\nX-Nova: y\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
                .into_bytes()
        })
        .await;
        let proxy = before(&nova, &config()).await;
        let answer = raw(proxy.address, format!("GET / HTTP/1.1\r\n{CLOSE}")).await;
        let answer = answer.to_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("x-nova: y\r\n") && !answer.contains("keep-alive"),
            "{answer}"
        );
    }
}

/// A load balancer's own answer. cloud-init looks no further after 502 and 504, and by
/// Retry-After it knows when to come again.
#[tokio::test]
async fn when_something_before_nova_says_that_it_is_away_the_guest_comes_again() {
    for (status, header, after) in [
        (502, "X-Gateway: y", 1),
        (503, "X-Gateway: y", 1),
        (503, "Retry-After: 7", 7),
        (504, "X-Gateway: y", 1),
    ] {
        let nova = Scripted::start(move |_| {
            format!("HTTP/1.1 {status} X\r\n{header}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        })
        .await;
        let proxy = before(&nova, &config()).await;
        for method in ["GET", "HEAD", "POST"] {
            let answer = raw(
                proxy.address,
                format!("{method} /openstack HTTP/1.1\r\n{CLOSE}"),
            )
            .await;
            let answer = answer.to_lowercase();
            assert!(answer.starts_with("http/1.1 503 "), "{status}: {answer}");
            let header = format!("retry-after: {after}\r\n");
            assert_eq!(answer.matches(&header).count(), 1, "{status}: {answer}");
        }
        let seen = proxy.metrics.dependencies.snapshot();
        let problem = seen.get("nova").unwrap().problem.clone().unwrap();
        assert!(problem.contains(&status.to_string()), "{problem}");
    }
}
