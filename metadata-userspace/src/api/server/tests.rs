use std::net::SocketAddr;
use std::path::Path;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::api::PasswordStore;
use crate::config::Secret;
use crate::inventory::Inventory;
use crate::signature::sign;

const UUID: &str = "8a1c6f9e-3f7b-4d0a-9a53-0f1d2c3b4a59";
const PROJECT: &str = "5f705e3e9dc84ac0bb4a4e0b5cbf6a10";
const PASSWORD: &str = "/openstack/2013-04-04/password";

/// A running API and what it takes to talk to it.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn served(passwords: &Path) -> Served {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.toml");
    let inventory = Inventory::load(Path::new(path)).unwrap();
    let api = Api::new(
        Arc::new(ArcSwap::from_pointee(inventory)),
        PasswordStore::open(passwords).unwrap(),
        Secret("secret".to_owned()),
        String::new(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, Arc::new(api), stop.clone()));
    Served {
        address,
        stop,
        task,
    }
}

fn head(method: &str, path: &str, more: &str) -> String {
    let signature = sign(b"secret", UUID);
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nX-Instance-ID: {UUID}\r\nX-Tenant-ID: {PROJECT}\r\nX-Instance-ID-Signature: {signature}\r\n{more}\r\n"
    )
}

impl Served {
    /// Everything the API sends until it closes, for bytes that ask it to close.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let more = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        let request = head(method, path, &more) + body;
        self.exchange(request.as_bytes()).await
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn get_and_head_tell_one_length_and_get_alone_has_a_body() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let path = "/latest/meta-data/instance-id";
    let got = api.ask("GET", path, "").await;
    assert_eq!(status(&got), "200");
    assert!(
        got.contains("content-type: text/plain; charset=UTF-8\r\n"),
        "{got}"
    );
    assert!(got.contains("content-length: 10\r\n"), "{got}");
    assert_eq!(body(&got), "i-0000002a");

    let headed = api.ask("HEAD", path, "").await;
    assert!(headed.contains("content-length: 10\r\n"), "{headed}");
    assert_eq!(body(&headed), "");

    let empty = api.ask("GET", PASSWORD, "").await;
    assert!(empty.contains("content-length: 0\r\n"), "{empty}");
}

#[tokio::test]
async fn a_password_is_posted_once_and_outlives_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let unset = api.ask("GET", PASSWORD, "").await;
    assert_eq!((status(&unset), body(&unset)), ("200", ""));
    let set = api.ask("POST", PASSWORD, "b3BhcXVl").await;
    assert_eq!((status(&set), body(&set)), ("200", ""));
    assert!(
        set.contains("content-type: text/html; charset=UTF-8\r\n"),
        "{set}"
    );
    assert_eq!(status(&api.ask("POST", PASSWORD, "other").await), "409");
    assert_eq!(
        status(&api.ask("POST", PASSWORD, &"x".repeat(2000)).await),
        "409"
    );

    let restarted = served(directory.path()).await;
    assert_eq!(body(&restarted.ask("GET", PASSWORD, "").await), "b3BhcXVl");
    assert_eq!(
        status(&restarted.ask("POST", PASSWORD, "other").await),
        "409"
    );
}

#[tokio::test]
async fn a_password_may_be_chunked_and_come_late() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let more = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
    let request = head("POST", PASSWORD, more);
    for part in [request.as_str(), "4\r\nb3Bh\r\n", "4\r\ncXVl\r\n0\r\n\r\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), "200");
    assert_eq!(body(&api.ask("GET", PASSWORD, "").await), "b3BhcXVl");
}

#[tokio::test]
async fn a_password_has_a_limit_and_two_methods() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    for (method, size, expected) in [
        ("POST", MAX_PASSWORD_SIZE + 1, "400"),
        ("POST", MAX_BODY_SIZE + 1, "400"),
        ("PUT", 1, "400"),
        ("HEAD", 0, "400"),
        ("POST", MAX_PASSWORD_SIZE, "200"),
    ] {
        let answer = api.ask(method, PASSWORD, &"x".repeat(size)).await;
        assert_eq!(status(&answer), expected, "{method} of {size} bytes");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_sets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let request = head("POST", PASSWORD, "Content-Length: 100\r\n") + "half";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(body(&api.ask("GET", PASSWORD, "").await), "");
}

#[tokio::test]
async fn a_connection_serves_pipelined_requests_in_turn() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let first = head("GET", "/latest/meta-data/instance-id", "");
    let second = head(
        "GET",
        "/latest/meta-data/instance-type",
        "Connection: close\r\n",
    );
    let answers = api.exchange((first + &second).as_bytes()).await;
    let id = answers.find("i-0000002a").unwrap();
    let kind = answers.find("m1.small").unwrap();
    assert!(id < kind, "{answers}");
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_the_task() {
    let directory = tempfile::tempdir().unwrap();
    let api = served(directory.path()).await;
    let mut idle = TcpStream::connect(api.address).await.unwrap();
    let request = head("GET", "/latest/meta-data/instance-id", "");
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let read = idle.read(&mut answer).await.unwrap();
    assert!(read > 0);

    api.stop.cancel();
    timeout(Duration::from_secs(5), api.task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        idle.read(&mut answer).await.unwrap(),
        0,
        "the idle connection is closed"
    );
    assert!(TcpStream::connect(api.address).await.is_err());
}
