//! The agent behind its unix socket.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Proxies;
use super::{Agent, socket};
use crate::config::MacCheck;
use crate::identity::Port;
use crate::metrics::Metrics;
use crate::resolver::{Resolution, ResolveError};
use crate::testing::{Fixed, INSTANCE, ROUTER, Scripted, nova as nova_client, nova_config, port};
use crate::upstream::TlsFiles;

struct Served {
    path: PathBuf,
    metrics: Metrics,
    drain: CancellationToken,
    serving: JoinHandle<()>,
    _dir: TempDir,
}

async fn serve(nova: &Scripted, resolver: Arc<Fixed>) -> Served {
    serve_checking(nova, resolver, MacCheck::Enforce).await
}

async fn serve_checking(nova: &Scripted, resolver: Arc<Fixed>, mac_check: MacCheck) -> Served {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("metadata_proxy");
    let metrics = Metrics::new();
    let config = nova_config(nova.address);
    let nova = nova_client(&config, &TlsFiles::default(), &metrics).unwrap();
    let agent = Agent::new(resolver, nova, mac_check, metrics.agent.clone());
    let listener = UnixListener::bind(&path).unwrap();
    let drain = CancellationToken::new();
    let serving = tokio::spawn(socket::serve(
        listener,
        Arc::new(agent),
        Proxies::Neutron,
        drain.clone(),
    ));
    Served {
        path,
        metrics,
        drain,
        serving,
        _dir: dir,
    }
}

/// As haproxy with Neutron's configuration sends it, with `headers` between.
async fn ask(served: &Served, headers: &str) -> String {
    ask_with(served, "GET /openstack", headers).await
}

async fn ask_with(served: &Served, line: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn identity() -> String {
    format!("x-neutron-router-id: {ROUTER}\r\nx-forwarded-for: 10.0.0.5\r\n")
}

#[tokio::test]
async fn haproxys_request_is_answered_for_the_address_it_saw() {
    let nova = Scripted::constant("hello").await;
    let served = serve(&nova, Fixed::found()).await;
    let forged = format!(
        "x-forwarded-for: 10.0.0.66\r\nx-instance-id: evil\r\n{}",
        identity()
    );
    let answer = ask(&served, &forged).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"),
        "{answer}"
    );
    let seen = nova.seen().concat();
    assert!(seen.contains("x-forwarded-for: 10.0.0.5\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("x-instance-id: {INSTANCE}\r\n")),
        "{seen}"
    );
    assert!(
        !seen.contains("10.0.0.66") && !seen.contains("evil"),
        "{seen}"
    );
    assert_eq!(served.metrics.totals().socket_requests.get("200"), Some(&1));
}

#[tokio::test]
async fn tunnels_and_echoes_are_refused() {
    let nova = Scripted::constant("hello").await;
    let served = serve(&nova, Fixed::found()).await;
    for line in ["CONNECT 10.0.0.1:22", "TRACE /"] {
        let answer = ask_with(&served, line, &identity()).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
    assert!(nova.seen().is_empty());
}

#[tokio::test]
async fn requests_that_do_not_say_whose_they_are_are_400() {
    let nova = Scripted::constant("hello").await;
    let served = serve(&nova, Fixed::found()).await;
    let both = format!("{}x-neutron-network-id: {ROUTER}\r\n", identity());
    for (headers, message) in [
        (
            both,
            format!("Both network {ROUTER} and router {ROUTER} defined."),
        ),
        (
            "x-forwarded-for: 10.0.0.5\r\n".to_owned(),
            "Neither ".to_owned(),
        ),
        (
            format!("x-neutron-router-id: {ROUTER}\r\n"),
            "X-Forwarded-For ".to_owned(),
        ),
    ] {
        let answer = ask(&served, &headers).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains(&message),
            "{answer}"
        );
    }
    assert!(nova.seen().is_empty());
}

#[tokio::test]
async fn who_is_nobody_or_several_gets_404_and_doubt_is_503() {
    let nova = Scripted::constant("hello").await;
    let doubt = ResolveError {
        source_name: "test",
        reason: "gone".to_owned(),
    };
    for (resolution, status, message) in [
        (
            Ok(Resolution::Unknown),
            "404",
            format!("Instance was not found on router {ROUTER}."),
        ),
        (
            Ok(Resolution::Ambiguous(2)),
            "404",
            format!("Instance was not found on router {ROUTER}."),
        ),
        (Err(doubt), "503", "retry-after: 1\r\n".to_owned()),
    ] {
        let served = serve(&nova, Arc::new(Fixed(resolution))).await;
        let answer = ask(&served, &identity()).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&start) && answer.contains(&message),
            "{answer}"
        );
    }
    assert!(nova.seen().is_empty());
}

#[tokio::test]
async fn who_asks_with_anothers_address_is_treated_as_the_operator_wants() {
    let nova = Scripted::constant("hello").await;
    let real = Port {
        device_id: "a-neighbour".into(),
        ..port()
    };
    let pretender = Resolution::Pretender {
        claimed: Arc::new(port()),
        real: Arc::new(real),
    };
    for (mac_check, status, counted) in [
        (MacCheck::Enforce, "403", 1),
        (MacCheck::Log, "200", 1),
        (MacCheck::Off, "200", 0),
    ] {
        let resolver = Arc::new(Fixed(Ok(pretender.clone())));
        let served = serve_checking(&nova, resolver, mac_check).await;
        let answer = ask(&served, &identity()).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{mac_check:?}: {answer}");
        let metrics = served.metrics.encode().unwrap();
        let line = format!("agent_resolutions_total{{outcome=\"pretender\"}} {counted}\n");
        assert!(metrics.contains(&line), "{mac_check:?}: {metrics}");
    }
    assert_eq!(nova.seen().len(), 2);
}

#[tokio::test]
async fn more_than_one_read_is_read() {
    let nova = Scripted::start(|request| crate::testing::ok(&request.len().to_string())).await;
    let served = serve(&nova, Fixed::found()).await;
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let padding = "p".repeat(8000);
    let head = format!(
        "POST /password HTTP/1.1\r\ncookie: {padding}\r\n{}content-length: 6\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        identity()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    stream.write_all(b"secret").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
    assert!(nova.seen().concat().ends_with("\r\n\r\nsecret"));
}

#[tokio::test]
async fn a_faulty_nova_is_503() {
    let garbage = Scripted::start(|_| b"garbage garbage garbage\r\n\r\n".to_vec()).await;
    let hangs_up = Scripted::start(|_| Vec::new()).await;
    for nova in [garbage, hangs_up] {
        let served = serve(&nova, Fixed::found()).await;
        let answer = ask(&served, &identity()).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"));
    }
}

#[tokio::test]
async fn draining_ends_the_socket() {
    let nova = Scripted::constant("hello").await;
    let served = serve(&nova, Fixed::found()).await;
    let mut idle = UnixStream::connect(&served.path).await.unwrap();
    assert!(ask(&served, &identity()).await.starts_with("HTTP/1.1 200 "));
    served.drain.cancel();
    served.serving.await.unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
}
