//! What guests get when Nova gives no answer.

use std::time::Duration;

use hyper::header::{AGE, WARNING};

use super::*;
use crate::nova::tests::gated::Gated;

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\ngood";

fn config(address: SocketAddr) -> NovaConfig {
    let mut config = nova_config(address);
    config.stale_if_error = Duration::from_secs(60);
    config.deadline = Duration::from_millis(300);
    config
}

async fn ask_for(client: &Client, path: &str) {
    let mut request = request(Method::GET, body::empty());
    *request.uri_mut() = path.parse().unwrap();
    let answer = client.forward(&instance(), &requester(), request).await;
    text(answer.unwrap()).await;
}

async fn open_server() -> Gated {
    let server = Gated::start("good").await;
    server.answer(GOOD.to_vec());
    server.open();
    server
}

async fn answer(client: &Client) -> Result<Response<Body>, NovaError> {
    client.send(Method::GET, body::empty()).await
}

/// It is the good answer, and it says that it is old.
async fn assert_stale(client: &Client) {
    let answer = answer(client).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers().get("content-type").unwrap(), "a/b");
    let age = answer.headers().get(AGE).unwrap().to_str().unwrap();
    assert!(age.parse::<u64>().unwrap() < 10, "{age}");
    let warning = answer.headers().get(WARNING).unwrap().to_str().unwrap();
    assert!(warning.starts_with("110 metadatad "), "{warning}");
    assert_eq!(text(answer).await, "good");
}

async fn assert_fresh(client: &Client) {
    let answer = answer(client).await.unwrap();
    assert_eq!(answer.headers().get(AGE), None);
    assert_eq!(answer.headers().get(WARNING), None);
    assert_eq!(text(answer).await, "good");
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 3\r\n\r\nbad").into_bytes()
}

#[tokio::test]
async fn the_last_good_answer_is_given_for_every_kind_of_failure() {
    let server = open_server().await;
    let client = Client::new(&config(server.address));
    assert_fresh(&client).await;
    let failures = [
        status("500 Internal Server Error"),
        status("502 Bad Gateway"),
        status("503 Service Unavailable"),
        status("504 Gateway Timeout"),
        status("301 Moved Permanently"),
        b"garbage\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        Vec::new(),
    ];
    for (number, failure) in (1..).zip(failures) {
        server.answer(failure);
        assert_stale(&client).await;
        assert_eq!(client.metrics.stale.get(), number);
        // A guest can choose a path at which Nova answers 500.
        assert_eq!(client.is_up(), Some(number == 1));
    }
    server.answer(GOOD.to_vec());
    // Requests before may have left a sign of a hang.
    answer(&client).await.unwrap();
    assert_fresh(&client).await;
    assert_eq!(client.is_up(), Some(true));
}

#[tokio::test]
async fn a_nova_that_is_gone_and_back_needs_nobodys_help() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve_once = async |listener: TcpListener| {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_message(&mut stream).await.unwrap();
        stream.write_all(GOOD).await.unwrap();
    };
    let client = Client::new(&config(address));
    tokio::join!(assert_fresh(&client), serve_once(listener));
    for _ in 0..3 {
        assert_stale(&client).await;
    }
    let other = request(Method::GET, body::empty());
    let mut stranger = requester();
    stranger.address = "10.0.0.6".parse().unwrap();
    let answer = client.forward(&instance(), &stranger, other).await;
    assert!(matches!(*answer.unwrap_err(), NovaError::Connect(_)));
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::join!(assert_fresh(&client), serve_once(listener));
}

#[tokio::test]
async fn a_hanging_nova_costs_the_deadline_once() {
    let server = open_server().await;
    let client = Client::new(&config(server.address));
    assert_fresh(&client).await;
    server.hang();
    let started = Instant::now();
    assert_stale(&client).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(client.is_up(), Some(false));
    // This one probes, and waits for the probe; then the probe goes on alone.
    assert_stale(&client).await;
    let before = server.requests();
    let started = Instant::now();
    let mut probed = client.nova.exchange.hang.probe();
    for _ in 0..100 {
        assert_stale(&client).await;
    }
    // A deadline each would be 30 s.
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(server.requests(), before, "one probe at a time");
    drop(probed.take());
    server.open();
    answer(&client).await.unwrap();
    assert_fresh(&client).await;
}

/// cloud-init asks again after 10 s, when the first request still waits.
#[tokio::test]
async fn a_hang_is_noticed_before_the_deadline() {
    let server = open_server().await;
    let mut config = config(server.address);
    config.deadline = Duration::from_secs(3);
    let client = Client::new(&config);
    assert_fresh(&client).await;
    server.hang();
    let first = answer(&client);
    let second = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _probe = client.nova.exchange.hang.probe();
        let started = Instant::now();
        assert_stale(&client).await;
        assert!(started.elapsed() < Duration::from_millis(900));
        assert_eq!(client.is_up(), Some(false));
    };
    let (first, ()) = tokio::join!(first, second);
    assert!(first.unwrap().headers().contains_key(WARNING));
}

/// A guest chooses the path, and what answers it may not be Nova, or not do its work.
#[tokio::test]
async fn a_hang_shows_whatever_else_is_answered() {
    let server = open_server().await;
    for (path, line) in [
        ("/", "200 OK"),
        ("/.htaccess", "403 Forbidden"),
        ("/hostname/x", "500 Internal Server Error"),
        ("/busy", "503 Service Unavailable"),
    ] {
        server.answer_at_once(path, status(line));
        let client = Client::new(&config(server.address));
        server.open();
        assert_fresh(&client).await;
        server.hang();
        let hang = &client.nova.exchange.hang;
        let meddles = async {
            while !hang.is_on() {
                ask_for(&client, path).await;
            }
            ask_for(&client, path).await;
            assert!(hang.is_on(), "{path} ended it");
        };
        let both = async { tokio::join!(assert_stale(&client), meddles) };
        let noticed = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert!(noticed.is_ok(), "{path} hid it");
    }
}

#[tokio::test]
async fn what_nova_says_counts_even_if_it_is_no() {
    let server = open_server().await;
    let client = Client::new(&config(server.address));
    assert_fresh(&client).await;
    for line in ["403 Forbidden", "400 Bad Request", "404 Not Found"] {
        server.answer(status(line));
        let answer = answer(&client).await.unwrap();
        assert_eq!(answer.status().as_str(), &line[..3]);
        assert_eq!(text(answer).await, "bad");
    }
    // There is no document any more: a guest without user data boots as well.
    server.answer(status("503 Service Unavailable"));
    let answer = answer(&client).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(answer.headers().contains_key(WARNING));
}

#[tokio::test]
async fn without_a_good_answer_the_failure_shows() {
    let server = open_server().await;
    let mut config = config(server.address);
    config.stale_if_error = Duration::ZERO;
    let client = Client::new(&config);
    assert_fresh(&client).await;
    server.answer(status("503 Service Unavailable"));
    let answer = answer(&client).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.answer(Vec::new());
    assert!(client.get().await.is_err());
    assert_eq!(client.metrics.stale.get(), 0);
}

#[tokio::test]
async fn an_answer_is_given_again_for_its_time_and_says_so() {
    let server = open_server().await;
    let mut config = config(server.address);
    config.response_ttl = Duration::from_millis(900);
    let client = Client::new(&config);
    assert_fresh(&client).await;
    let again = answer(&client).await.unwrap();
    assert_eq!(again.headers().get(AGE).unwrap(), "0");
    assert_eq!(again.headers().get(WARNING), None);
    assert_eq!((server.requests(), client.metrics.cached.get()), (1, 1));
    tokio::time::sleep(config.response_ttl).await;
    assert_fresh(&client).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_missing_document_is_asked_for_each_time() {
    let server = open_server().await;
    server.answer(status("404 Not Found"));
    let mut config = config(server.address);
    config.response_ttl = Duration::from_secs(60);
    let client = Client::new(&config);
    for _ in 0..3 {
        assert_eq!(client.get().await.unwrap(), "bad");
    }
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn the_password_is_never_kept() {
    let server = open_server().await;
    let mut config = config(server.address);
    config.response_ttl = Duration::from_secs(60);
    let client = Client::new(&config);
    let ask = async || {
        let mut request = request(Method::GET, body::empty());
        *request.uri_mut() = "/openstack/latest/password/".parse().unwrap();
        client.forward(&instance(), &requester(), request).await
    };
    for requests in 1..4 {
        ask().await.unwrap();
        assert_eq!(server.requests(), requests);
    }
    server.answer(Vec::new());
    assert!(ask().await.is_err());
}
