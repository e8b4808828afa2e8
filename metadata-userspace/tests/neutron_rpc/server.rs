//! A Neutron server's side of the message bus: speaks oslo.messaging's protocol,
//! counts what it is asked, and can misbehave.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_core::Stream as _;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// How questions are answered.
#[derive(Clone, Debug, Default)]
pub(super) enum Manner {
    #[default]
    Well,
    Silently,
    /// With an exception.
    Failing,
    /// With something that is no reply.
    Garbage,
    /// With something that is no list of ports.
    Nonsense,
}

/// A `report_state` that arrived.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) arguments: Value,
    pub(super) wants_answer: bool,
}

#[derive(Debug, Default)]
struct State {
    manner: Manner,
    ports: Vec<Value>,
    calls: usize,
    reports: Vec<Report>,
    versions: Vec<Value>,
}

/// A running server; ended on drop.
#[derive(Debug)]
pub(super) struct Server {
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves at RabbitMQ's port, and comes back when RabbitMQ does.
    pub(super) fn start(port: u16) -> Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let shared = state.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve_always(port, &shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            state,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn behave(&self, manner: Manner) {
        lock(&self.state).manner = manner;
    }

    pub(super) fn add_ports(&self, ports: impl IntoIterator<Item = Value>) {
        lock(&self.state).ports.extend(ports);
    }

    /// How often `get_ports` was called.
    pub(super) fn calls(&self) -> usize {
        lock(&self.state).calls
    }

    pub(super) fn reports(&self) -> Vec<Report> {
        lock(&self.state).reports.clone()
    }

    /// Of every message so far: version and envelope version.
    pub(super) fn versions(&self) -> Vec<Value> {
        lock(&self.state).versions.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("warning: the Neutron server panicked");
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve_always(port: u16, state: &Mutex<State>) {
    loop {
        // Whatever ends it, RabbitMQ may come back.
        let _ = serve(port, state).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn serve(port: u16, state: &Mutex<State>) -> Result<()> {
    let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let exchange = ExchangeDeclareOptions::default();
    let none = FieldTable::default;
    channel
        .exchange_declare("neutron".into(), ExchangeKind::Topic, exchange, none())
        .await?;
    let mut plugin = consumer(&channel, "q-plugin").await?;
    let mut reports = consumer(&channel, "q-reports-plugin").await?;
    loop {
        let message = tokio::select! {
            message = next(&mut plugin) => message?,
            message = next(&mut reports) => message?,
        };
        if let Some((queue, reply)) = answer(state, &message)? {
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default();
            channel
                .basic_publish("".into(), queue.into(), options, &reply, properties)
                .await?;
        }
    }
}

async fn consumer(channel: &Channel, topic: &'static str) -> Result<Consumer> {
    let none = FieldTable::default;
    let options = QueueDeclareOptions::default();
    channel.queue_declare(topic.into(), options, none()).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            topic.into(),
            "neutron".into(),
            topic.into(),
            options,
            none(),
        )
        .await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    Ok(channel
        .basic_consume(topic.into(), "".into(), options, none())
        .await?)
}

async fn next(consumer: &mut Consumer) -> Result<Vec<u8>> {
    let next = std::future::poll_fn(|cx| Pin::new(&mut *consumer).poll_next(cx));
    Ok(next.await.context("no consumer any more")??.data)
}

/// The queue and the body of the answer.
fn answer(state: &Mutex<State>, payload: &[u8]) -> Result<Option<(String, Vec<u8>)>> {
    let envelope: Value = serde_json::from_slice(payload)?;
    let message: Value = serde_json::from_str(text(&envelope, "oslo.message")?)?;
    let mut state = lock(state);
    let version = json!([
        envelope["oslo.version"],
        message["version"],
        message["_context_is_admin"]
    ]);
    state.versions.push(version);
    let arguments = &message["args"];
    let result = match text(&message, "method")? {
        "get_ports" => {
            state.calls += 1;
            select(&state.ports, &arguments["filters"])
        }
        "report_state" => {
            state.reports.push(Report {
                arguments: arguments.clone(),
                wants_answer: message.get("_msg_id").is_some(),
            });
            json!("new")
        }
        other => anyhow::bail!("no method {other}"),
    };
    let (Ok(queue), Ok(id)) = (text(&message, "_reply_q"), text(&message, "_msg_id")) else {
        return Ok(None);
    };
    let body = match state.manner {
        Manner::Silently => return Ok(None),
        Manner::Garbage => return Ok(Some((queue.to_owned(), b"\x00garbage".to_vec()))),
        Manner::Well => reply(id, &result, &Value::Null),
        Manner::Nonsense => reply(id, &json!({"ports": 1}), &Value::Null),
        Manner::Failing => {
            let failure = json!({"class": "DBConnectionError", "module": "oslo_db.exception",
                                 "message": "no database", "tb": [], "args": [], "kwargs": {}});
            reply(id, &Value::Null, &failure.to_string().into())
        }
    };
    Ok(Some((queue.to_owned(), body)))
}

fn reply(id: &str, result: &Value, failure: &Value) -> Vec<u8> {
    let body = json!({"result": result, "failure": failure, "ending": true, "_msg_id": id,
                      "_unique_id": id});
    let envelope = json!({"oslo.version": "2.0", "oslo.message": body.to_string()});
    envelope.to_string().into_bytes()
}

/// The ports that have, for each filter, one of its values.
fn select(ports: &[Value], filters: &Value) -> Value {
    let has = |port: &Value, name: &str, wanted: &Value| match name {
        "fixed_ips" => port[name].as_array().is_some_and(|ips| {
            let wanted = wanted["ip_address"].as_array();
            ips.iter()
                .any(|ip| wanted.is_some_and(|wanted| wanted.contains(&ip["ip_address"])))
        }),
        _ => wanted
            .as_array()
            .is_some_and(|wanted| wanted.contains(&port[name])),
    };
    let matches = |port: &&Value| {
        filters
            .as_object()
            .is_some_and(|filters| filters.iter().all(|(name, wanted)| has(port, name, wanted)))
    };
    ports.iter().filter(matches).cloned().collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("no {key} in {value}"))
}
