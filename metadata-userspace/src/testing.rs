//! What tests of the hops share: a scripted Nova, a known guest, raw sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::{NovaConfig, NovaProtocol, Secret};
use crate::identity::{Instance, MacAddr, Port, Realm, Requester};
use crate::metrics::Metrics;
use crate::nova::Nova;
use crate::resolver::{Asking, Resolution, ResolveError, Resolver};
use crate::upstream::{TlsError, TlsFiles};

pub(crate) const ROUTER: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
pub(crate) const INSTANCE: &str = "5c9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f";
pub(crate) const PROJECT: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SECRET: &str = "s3cret";

pub(crate) fn realm() -> Realm {
    Realm::Router(ROUTER.into())
}

/// Says the same of everybody.
pub(crate) struct Fixed(pub(crate) Result<Resolution, ResolveError>);

impl Fixed {
    pub(crate) fn found() -> Arc<Self> {
        Arc::new(Self(Ok(Resolution::Found(Arc::new(port())))))
    }
}

impl Resolver for Fixed {
    fn known(&self, _: &Requester) -> Option<Resolution> {
        self.0.clone().ok()
    }

    fn resolve<'a>(&'a self, _: &'a Requester) -> Asking<'a, Resolution> {
        Box::pin(async { self.0.clone() })
    }
}

/// The port of [`INSTANCE`].
pub(crate) fn port() -> Port {
    Port {
        id: "3e9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f".into(),
        network_id: "4e9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f".into(),
        mac: Some(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5])),
        addresses: vec![IpAddr::from([10, 0, 0, 5])],
        device_id: INSTANCE.into(),
        project_id: PROJECT.into(),
    }
}

pub(crate) fn instance() -> Instance {
    port().instance()
}

pub(crate) fn requester() -> Requester {
    Requester {
        realm: realm(),
        address: "10.0.0.5".parse().unwrap(),
        mac: None,
    }
}

pub(crate) fn nova_config(address: SocketAddr) -> NovaConfig {
    NovaConfig {
        protocol: NovaProtocol::Http,
        host: address.ip().to_string(),
        port: address.port(),
        insecure: false,
        ca_cert: None,
        client_identity: None,
        shared_secret: Secret(SECRET.into()),
        deadline: Duration::from_secs(2),
        response_ttl: Duration::ZERO,
        stale_if_error: Duration::ZERO,
    }
}

/// A client that counts and tells in `metrics`.
pub(crate) fn nova(
    config: &NovaConfig,
    tls: &TlsFiles,
    metrics: &Metrics,
) -> Result<Nova, TlsError> {
    let dependency = metrics.dependencies.dependency("nova");
    Nova::new(config, tls, metrics.nova.clone(), dependency)
}

/// An upstream that answers as it is told and remembers what it was sent.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Scripted {
    /// `answer` maps a whole request to the bytes to send; empty closes.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let answer = Arc::new(answer);
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                tokio::spawn(converse(stream, Arc::clone(&answer), Arc::clone(&log)));
            }
        });
        Self {
            address,
            seen,
            connections,
        }
    }

    /// A 200 with `body` to everything.
    pub(crate) async fn constant(body: &'static str) -> Self {
        Self::start(move |_| ok(body)).await
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: Arc<impl Fn(&str) -> Vec<u8>>,
    log: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_message(&mut stream).await {
        let reply = answer(&request);
        log.lock().unwrap().push(request);
        if reply.is_empty() || stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// One message with its body, by Content-Length or chunks; `None` at the end.
pub(crate) async fn read_message<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut message = read_until(stream, b"\r\n\r\n").await?;
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        message.extend(read_chunks(stream).await?);
    } else if let Some((_, rest)) = head.split_once("content-length: ") {
        let length: usize = rest.lines().next()?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        message.extend(body);
    }
    Some(String::from_utf8_lossy(&message).into_owned())
}

/// To the last one, without a trailer.
async fn read_chunks<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let line = read_until(stream, b"\r\n").await?;
        let length = std::str::from_utf8(&line).ok()?.trim_end();
        let length = usize::from_str_radix(length, 16).ok()?;
        let mut data = vec![0; length + b"\r\n".len()];
        stream.read_exact(&mut data).await.ok()?;
        chunks.extend(line);
        chunks.extend(data);
        if length == 0 {
            return Some(chunks);
        }
    }
}

async fn read_until<S: AsyncRead + Unpin>(stream: &mut S, end: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(bytes)
}

/// Sends `bytes`, then reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have answered and closed before it read everything.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .is_err()
    {
        panic!("not closed after: {}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// With more letters than a name may have, so that no name server is asked.
pub(crate) fn no_such_host() -> String {
    format!("{}.invalid", "x".repeat(64))
}

/// What takes longer on a busy machine comes true within this.
const LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Whether this comes true, in its own time.
pub(crate) async fn comes_true(condition: impl Fn() -> bool) -> bool {
    let polls = async {
        while !condition() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(LIMIT, polls).await.is_ok()
}

/// Whether this comes true soon after a descriptor was dropped: a child that another
/// test has just forked has it open as well, until it runs its program.
pub(crate) fn when_dropped(mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() > LIMIT {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A listener whose backlog is full: the kernel drops every further SYN, as a host
/// does that is not there. Both parts are to be kept.
pub(crate) fn silent_listener() -> (std::net::TcpListener, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_millis(200);
    let connect = |_| std::net::TcpStream::connect_timeout(&address, limit);
    let held = (0..8).map_while(|n| connect(n).ok()).collect();
    (listener, held)
}
