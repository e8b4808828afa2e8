//! The client before servers of all ages, which follow a script.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::splitter::Splitter;
use super::*;
use crate::config::OvsdbRemote;
use crate::dependencies::Dependencies;
use crate::upstream::TlsFiles;

const ROW: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
const OTHER: &str = "11111111-5a1c-4ce9-9266-e3048098412a";
const TXN: &str = "22222222-5a1c-4ce9-9266-e3048098412a";
const NONE: &str = "00000000-0000-0000-0000-000000000000";
const LIMIT: Duration = Duration::from_secs(5);

/// Hands one end of each connection to the test.
struct Sockets(mpsc::UnboundedSender<UnixStream>);

impl UnixSockets for Sockets {
    fn connect<'a>(
        &'a self,
        _: &'a Path,
    ) -> Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + 'a>> {
        Box::pin(async {
            let (here, there) = UnixStream::pair()?;
            self.0.send(there).map_err(io::Error::other)?;
            Ok(here)
        })
    }
}

/// What a watcher saw, in words.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, event: String) {
        self.0.lock().unwrap().push(event);
    }

    async fn wait(&self, event: &str) {
        let there = async {
            while !self
                .0
                .lock()
                .unwrap()
                .iter()
                .any(|seen| seen.contains(event))
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, there).await;
        assert!(waited.is_ok(), "no {event} in {:?}", self.0.lock().unwrap());
    }
}

struct Recorder {
    seen: Seen,
    conditions: Arc<Conditions>,
}

impl Watcher for Recorder {
    fn database(&self) -> &'static str {
        "D"
    }

    fn tables(&self) -> &'static [TableSpec] {
        &[TableSpec {
            name: "T",
            required: &["name"],
            optional: &[],
        }]
    }

    fn conditions(&mut self) -> Arc<Conditions> {
        self.conditions.clone()
    }

    fn connected(&mut self) {
        self.seen.note("connected".into());
    }

    fn disconnected(&mut self, reason: &str) {
        self.seen.note(format!("disconnected: {reason}"));
    }

    fn changed(&mut self, replica: &Replica, touched: &[Touched]) {
        for touched in touched {
            let name = replica.row(*touched).map(|row| row.text("name"));
            self.seen.note(format!("row {}", name.unwrap_or("gone")));
        }
    }
}

/// The server's end of a connection.
struct Server {
    stream: UnixStream,
    splitter: Splitter,
}

impl Server {
    /// The client's next request must be this; returns its parameters.
    async fn expect(&mut self, method: &str) -> (Value, Value) {
        let next = async {
            loop {
                if let Some(object) = self.splitter.next().unwrap() {
                    return object;
                }
                self.splitter.buffer.reserve(4096);
                let read = self.stream.read_buf(&mut self.splitter.buffer).await;
                assert_ne!(
                    read.unwrap(),
                    0,
                    "the client went before it asked for {method}"
                );
            }
        };
        let request = tokio::time::timeout(LIMIT, next).await;
        let request = request.unwrap_or_else(|_| panic!("nobody asked for {method}"));
        assert_eq!(request["method"], method, "{request}");
        (request["id"].clone(), request["params"].clone())
    }

    async fn send(&mut self, message: Value) {
        let text = message.to_string();
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, method: &str, result: Value) -> Value {
        let (id, params) = self.expect(method).await;
        self.send(json!({"id": id, "result": result, "error": null}))
            .await;
        params
    }

    async fn refuse(&mut self, method: &str, error: &str) {
        let (id, _) = self.expect(method).await;
        self.send(json!({"id": id, "result": null, "error": error}))
            .await;
    }

    async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({"id": null, "method": method, "params": params}))
            .await;
    }

    /// As far as the monitor, by a server without a `_Server` database.
    async fn schema(&mut self) {
        self.refuse("get_schema", "unknown database").await;
        let columns = json!({"name": {"type": "string"}});
        let schema = json!({"tables": {"T": {"columns": columns}}});
        self.answer("get_schema", schema).await;
    }
}

struct Bench {
    seen: Seen,
    connections: mpsc::UnboundedReceiver<UnixStream>,
    client: JoinHandle<()>,
}

impl Bench {
    fn new(probe: Option<Duration>) -> Self {
        let (sender, connections) = mpsc::unbounded_channel();
        let reach = Reach {
            option: "an option",
            remotes: vec![OvsdbRemote::Unix("/socket".into())],
            tls: TlsFiles::default(),
            sockets: Arc::new(Sockets(sender)),
            patience: LIMIT,
            probe,
        };
        let seen = Seen::default();
        let recorder = Recorder {
            seen: seen.clone(),
            conditions: Arc::default(),
        };
        let dependency = Dependencies::default().dependency("ovsdb");
        let client = Client::new(reach, recorder, Arc::new(Notify::new()), dependency);
        Self {
            seen,
            connections,
            client: tokio::spawn(client.run(0)),
        }
    }

    async fn accept(&mut self) -> Server {
        let stream = tokio::time::timeout(LIMIT, self.connections.recv()).await;
        Server {
            stream: stream.unwrap().unwrap(),
            splitter: Splitter::default(),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.client.abort();
    }
}

fn initial(id: &str, name: &str) -> Value {
    json!({"T": {id: {"initial": {"name": name}}}})
}

#[tokio::test]
async fn an_old_server_is_asked_in_an_older_way() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    server.schema().await;
    server.refuse("monitor_cond_since", "unknown method").await;
    let params = server.answer("monitor_cond", initial(ROW, "a")).await;
    assert_eq!(params, json!(["D", 1, {"T": [{"columns": ["name"]}]}]));
    bench.seen.wait("row a").await;
    let modify = json!({"T": {ROW: {"modify": {"name": "b"}}}});
    server.notify("update2", json!([1, modify])).await;
    bench.seen.wait("row b").await;
}

#[tokio::test]
async fn the_oldest_servers_send_whole_rows() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    server.schema().await;
    server.refuse("monitor_cond_since", "unknown method").await;
    server.refuse("monitor_cond", "unknown method").await;
    let row = |name| json!({"T": {ROW: {"new": {"name": name}}}});
    server.answer("monitor", row("a")).await;
    bench.seen.wait("row a").await;
    server.notify("update", json!([1, row("b")])).await;
    bench.seen.wait("row b").await;
    server
        .notify("update", json!([1, {"T": {ROW: {"old": {"name": "b"}}}}]))
        .await;
    bench.seen.wait("row gone").await;
}

#[tokio::test]
async fn a_reconnection_goes_on_after_the_last_transaction() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    server.schema().await;
    let dump = json!([false, NONE, initial(ROW, "a")]);
    let params = server.answer("monitor_cond_since", dump).await;
    assert_eq!(params[3], NONE);
    let insert = json!({"T": {OTHER: {"insert": {"name": "b"}}}});
    server.notify("update3", json!([1, TXN, insert])).await;
    bench.seen.wait("row b").await;
    drop(server);
    bench.seen.wait("disconnected").await;

    let mut server = bench.accept().await;
    server.schema().await;
    let modify = json!({"T": {ROW: {"modify": {"name": "c"}}}});
    let params = server
        .answer("monitor_cond_since", json!([true, TXN, modify]))
        .await;
    assert_eq!(params[3], TXN);
    bench.seen.wait("row c").await;
    drop(server);

    // The server does not know that transaction any more.
    let mut server = bench.accept().await;
    server.schema().await;
    let dump = json!([false, NONE, initial(ROW, "d")]);
    server.answer("monitor_cond_since", dump).await;
    bench.seen.wait("row d").await;
    bench.seen.wait("row gone").await;
}

#[tokio::test]
async fn an_update_that_makes_no_sense_leads_to_a_new_dump() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    server.schema().await;
    let dump = json!([false, TXN, initial(ROW, "a")]);
    server.answer("monitor_cond_since", dump).await;
    let nobody = json!({"T": {OTHER: {"modify": {"name": "b"}}}});
    server.notify("update3", json!([1, TXN, nobody])).await;
    bench.seen.wait("does not understand").await;
    let mut server = bench.accept().await;
    server.schema().await;
    let dump = json!([false, TXN, initial(ROW, "a")]);
    assert_eq!(server.answer("monitor_cond_since", dump).await[3], NONE);
}

#[tokio::test]
async fn a_silent_server_is_probed_and_left() {
    let mut bench = Bench::new(Some(Duration::from_millis(500)));
    let mut server = bench.accept().await;
    server.schema().await;
    server
        .answer("monitor_cond_since", json!([false, NONE, {}]))
        .await;
    server.answer("echo", json!([])).await;
    server.expect("echo").await;
    bench.seen.wait("the server was silent for 1s").await;
    bench.accept().await;
}

#[tokio::test]
async fn a_member_that_loses_its_cluster_is_left() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    let column = |kind| json!({"type": kind});
    let columns = json!({"name": column("string"), "model": column("string"),
                         "connected": column("boolean")});
    let schema = json!({"tables": {"Database": {"columns": columns}}});
    server.answer("get_schema", schema).await;
    let row = json!({"name": "D", "model": "clustered", "connected": true});
    let rows = json!({"Database": {ROW: {"initial": row}}});
    let params = server.answer("monitor_cond", rows).await;
    assert_eq!(params[0], "_Server");
    server.answer("set_db_change_aware", json!({})).await;
    let columns = json!({"name": {"type": "string"}});
    let schema = json!({"tables": {"T": {"columns": columns}}});
    server.answer("get_schema", schema).await;
    server
        .answer("monitor_cond_since", json!([false, NONE, {}]))
        .await;
    bench.seen.wait("connected").await;
    let lost = json!({"Database": {ROW: {"modify": {"connected": false}}}});
    server.notify("update2", json!([0, lost])).await;
    bench.seen.wait("not connected to its cluster").await;
}

#[tokio::test]
async fn echo_requests_are_answered() {
    let mut bench = Bench::new(None);
    let mut server = bench.accept().await;
    let echo = json!({"method": "echo", "params": [], "id": "echo"});
    let (id, _) = server.expect("get_schema").await;
    server.send(echo.clone()).await;
    server
        .send(json!({"id": id, "result": null, "error": "unknown database"}))
        .await;
    let reply = async {
        let mut text = String::new();
        while !text.contains(r#""id":"echo""#) {
            let mut bytes = [0; 512];
            let length = server.stream.read(&mut bytes).await.unwrap();
            text += &String::from_utf8_lossy(&bytes[..length]);
        }
    };
    tokio::time::timeout(LIMIT, reply).await.unwrap();
}
