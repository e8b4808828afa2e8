//! The hop to Nova against scripted servers.

mod gated;
mod patience;
mod sharing;
mod stale;
mod tls;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{Nova, NovaError, read_tls};
use crate::body::{self, Body};
use crate::config::NovaConfig;
use crate::dependencies::Dependencies;
use crate::identity::{Instance, Requester};
use crate::interim::Patience;
use crate::metrics::{Metrics, NovaMetrics};
use crate::testing::{Scripted, instance, no_such_host, nova, nova_config, ok};
use crate::testing::{read_message, requester};
use crate::turn::Queue;
use crate::upstream::TlsFiles;

fn request(method: Method, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = "/openstack".parse().unwrap();
    request
}

struct Client {
    nova: Nova,
    metrics: NovaMetrics,
    dependencies: Dependencies,
}

impl Client {
    fn new(config: &NovaConfig) -> Self {
        Self::with(config, &read_tls(config).unwrap())
    }

    fn with(config: &NovaConfig, tls: &TlsFiles) -> Self {
        let metrics = Metrics::new();
        Self {
            nova: nova(config, tls, &metrics).unwrap(),
            dependencies: metrics.dependencies,
            metrics: metrics.nova,
        }
    }

    /// What operators see of Nova.
    fn is_up(&self) -> Option<bool> {
        let seen = self.dependencies.snapshot();
        seen.get("nova").map(|nova| nova.up)
    }

    fn of(address: SocketAddr) -> Self {
        Self::new(&nova_config(address))
    }

    async fn forward(
        &self,
        instance: &Instance,
        requester: &Requester,
        request: Request<Body>,
    ) -> Result<Response<Body>, Arc<NovaError>> {
        let queue = Queue::unlimited();
        let nova = &self.nova;
        nova.forward(instance, requester, request, &queue, Patience::Ordinary)
            .await
    }

    async fn send(&self, method: Method, body: Body) -> Result<Response<Body>, NovaError> {
        let request = request(method, body);
        self.forward(&instance(), &requester(), request)
            .await
            .map_err(|error| Arc::into_inner(error).unwrap())
    }

    /// The body of the answer to a GET.
    async fn get(&self) -> Result<String, NovaError> {
        Ok(text(self.send(Method::GET, body::empty()).await?).await)
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// Answers the first request of each connection, then hangs up without a word
/// as soon as another one comes.
async fn answers_once(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                read_message(&mut stream).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&ok(answer)).await.unwrap();
                if read_message(&mut stream).await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (address, requests)
}

#[tokio::test]
async fn connections_are_reused() {
    let server = Scripted::constant("hello").await;
    let client = Client::of(server.address);
    for _ in 0..5 {
        assert_eq!(client.get().await.unwrap(), "hello");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_is_reused_after_chunks_and_after_no_body() {
    let is_empty = AtomicBool::new(true);
    let server = Scripted::start(move |_| match is_empty.fetch_xor(true, Ordering::SeqCst) {
        true => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_vec()
        }
        false => ok(""),
    })
    .await;
    let client = Client::of(server.address);
    for _ in 0..3 {
        assert_eq!(client.get().await.unwrap(), "ab");
        assert_eq!(client.get().await.unwrap(), "");
    }
    assert_eq!(server.connections(), 1);
}

/// A guest writes its own user data: sent after a HEAD, it would be its neighbour's answer.
#[tokio::test]
async fn a_connection_is_not_reused_after_a_head() {
    let server = Scripted::start(|request| match request.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(),
        false => ok("ab"),
    })
    .await;
    let client = Client::of(server.address);
    client.send(Method::HEAD, body::empty()).await.unwrap();
    assert_eq!(client.get().await.unwrap(), "ab");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_wants_to_close_is_not_reused() {
    let server = Scripted::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec()
    })
    .await;
    let client = Client::of(server.address);
    for _ in 0..3 {
        assert_eq!(client.get().await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(client.metrics.retries.get(), 0);
}

#[tokio::test]
async fn a_get_survives_a_pooled_connection_that_died() {
    let (address, requests) = answers_once("hello").await;
    let client = Client::of(address);
    for _ in 0..3 {
        assert_eq!(client.get().await.unwrap(), "hello");
    }
    assert_eq!(client.metrics.retries.get(), 2);
    assert_eq!(requests.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_post_is_never_sent_twice_nor_over_an_old_connection() {
    let (address, requests) = answers_once("hello").await;
    let client = Client::of(address);
    client.get().await.unwrap();
    for _ in 0..2 {
        let answer = client.send(Method::POST, body::full("secret")).await;
        assert_eq!(text(answer.unwrap()).await, "hello");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    let hangs_up = Scripted::start(|_| Vec::new()).await;
    let client = Client::of(hangs_up.address);
    let answer = client.send(Method::POST, body::full("secret")).await;
    assert!(matches!(answer, Err(NovaError::Lost(_))));
    assert_eq!(hangs_up.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_new_connection_is_asked_once() {
    let server = Scripted::start(|_| Vec::new()).await;
    let client = Client::of(server.address);
    assert!(matches!(client.get().await, Err(NovaError::Lost(_))));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_nova_that_is_down_slow_or_no_nova_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    let mut config = nova_config(address);
    config.deadline = Duration::from_millis(200);
    let client = Client::new(&config);
    // In the backlog, never accepted.
    let started = Instant::now();
    assert!(matches!(client.get().await, Err(NovaError::Deadline(_))));
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(closed);
    assert!(matches!(client.get().await, Err(NovaError::Connect(_))));
    assert_eq!(client.metrics.connect_errors.get(), 1);
    let garbage = Scripted::start(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()).await;
    let client = Client::of(garbage.address);
    assert!(matches!(client.get().await, Err(NovaError::Malformed(_))));
    config.host = no_such_host();
    config.deadline = Duration::from_secs(10);
    let error = Client::new(&config).get().await.unwrap_err();
    assert!(error.to_string().contains("nova_metadata_host"), "{error}");
}

#[tokio::test]
async fn a_short_answer_that_stops_is_none() {
    let stops = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let server = Scripted::start(|_| stops.to_vec()).await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_millis(200);
    let error = Client::new(&config).get().await.unwrap_err();
    let late = matches!(error, NovaError::Deadline(_) | NovaError::BrokenOff(_));
    assert!(late, "{error}");
}

#[tokio::test]
async fn a_long_answer_that_stops_is_broken_off() {
    let stops = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf";
    let server = Scripted::start(|_| stops.to_vec()).await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_millis(200);
    let client = Client::new(&config);
    let answer = client.send(Method::GET, body::empty()).await.unwrap();
    let error = answer.into_body().collect().await.unwrap_err();
    assert!(error.to_string().contains("200ms"), "{error}");
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let server = Scripted::start(|_| {
        b"HTTP/1.1 301 Moved\r\nLocation: https://nova/\r\nContent-Length: 0\r\n\r\n".to_vec()
    })
    .await;
    let error = Client::of(server.address)
        .get()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("https://nova/") && error.contains("nova_metadata_protocol"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_id_that_is_no_header_value_is_an_error() {
    let server = Scripted::constant("hello").await;
    let client = Client::of(server.address);
    for id in ["a\r\nX-Tenant-ID: b", "a\0", "a\u{7f}"] {
        let evil = Instance {
            id: id.into(),
            ..instance()
        };
        let request = request(Method::GET, body::empty());
        let answer = client.forward(&evil, &requester(), request).await;
        let error = answer.unwrap_err();
        assert!(matches!(*error, NovaError::Identity(_)), "{id:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_until_one_answers() {
    let server = Scripted::constant("hello").await;
    let mut config = nova_config(server.address);
    // ::1 comes first, and nobody listens there.
    config.host = "localhost".to_owned();
    assert_eq!(Client::new(&config).get().await.unwrap(), "hello");
}

#[tokio::test]
async fn nova_may_live_on_ipv6() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_message(&mut stream).await.unwrap();
        stream.write_all(&ok(&request)).await.unwrap();
    };
    let client = Client::of(address);
    let (answer, ()) = tokio::join!(client.get(), serve);
    let host = format!("host: [::1]:{}\r\n", address.port());
    assert!(answer.unwrap().contains(&host));
}

#[tokio::test]
async fn a_refused_signature_is_the_guests_403() {
    let server =
        Scripted::start(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec())
            .await;
    let client = Client::of(server.address);
    let answer = client.send(Method::GET, body::empty()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(client.metrics.requests.snapshot().get("403"), Some(&1));
}
