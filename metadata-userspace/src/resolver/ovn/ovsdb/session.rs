//! What is said over a connection once the rows are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Failure;
use super::handshake::{FIRST_MONITOR, Method, SERVER_MONITOR, clauses};
use super::message::{Message, error_text, shortened};
use super::replica::{Form, Replica};
use super::server::Newest;
use super::watcher::{Conditions, Outcome, Watcher};
use super::wire::Wire;

/// Without events of its own, a session looks again after this time.
const IDLE: Duration = Duration::from_secs(3600);

/// What survives the connection.
pub(super) struct Kept<'a, W> {
    pub(super) watcher: &'a mut W,
    pub(super) replica: &'a mut Replica,
    pub(super) newest: &'a mut Newest,
    pub(super) last_id: &'a mut Option<String>,
    /// The conditions that the replica's rows satisfy.
    pub(super) acked: &'a mut Arc<Conditions>,
}

pub(super) struct Limits {
    /// For the answer to anything but a probe.
    pub(super) patience: Duration,
    /// Silence after which the server is asked whether it is there.
    pub(super) probe: Option<Duration>,
}

pub(super) struct Session<'a, W> {
    pub(super) wire: Wire,
    pub(super) kept: Kept<'a, W>,
    pub(super) server: Option<Replica>,
    pub(super) method: Method,
    pub(super) limits: Limits,
    monitor: u64,
    /// Requests without an answer yet.
    open: HashMap<u64, (Request, Instant)>,
    /// The last question that was passed on.
    asked: u64,
}

enum Request {
    Probe,
    Question(u64),
    Conditions(Arc<Conditions>),
    Transaction,
}

impl<'a, W: Watcher> Session<'a, W> {
    pub(super) fn new(
        wire: Wire,
        kept: Kept<'a, W>,
        server: Option<Replica>,
        method: Method,
        limits: Limits,
    ) -> Self {
        Self {
            wire,
            kept,
            server,
            method,
            limits,
            monitor: FIRST_MONITOR,
            open: HashMap::new(),
            asked: 0,
        }
    }

    /// Goes on until the connection fails.
    pub(super) async fn run(&mut self, woken: &Notify) -> Failure {
        let failure = loop {
            if let Err(failure) = self.turn(woken).await {
                break failure;
            }
        };
        if self.is_open(|request| matches!(request, Request::Conditions(_))) {
            // It is not known which rows the last transaction left out.
            *self.kept.last_id = None;
        }
        failure
    }

    async fn turn(&mut self, woken: &Notify) -> Result<(), Failure> {
        let now = Instant::now();
        self.check_limits(now)?;
        self.ask(now).await?;
        let until = self.next_deadline(now);
        tokio::select! {
            message = self.wire.receive() => self.hear(message?).await,
            () = woken.notified() => Ok(()),
            () = sleep_until(until) => Ok(()),
        }
    }

    fn is_open(&self, wanted: impl Fn(&Request) -> bool) -> bool {
        self.open.values().any(|(request, _)| wanted(request))
    }

    fn check_limits(&self, now: Instant) -> Result<(), Failure> {
        for (request, since) in self.open.values() {
            let limit = self.limit(request);
            if now >= *since + limit {
                return Err(match request {
                    Request::Probe => Failure::Silent(limit * 2),
                    _ => Failure::Late {
                        what: request.what(),
                        limit,
                    },
                });
            }
        }
        Ok(())
    }

    fn limit(&self, request: &Request) -> Duration {
        match (request, self.limits.probe) {
            (Request::Probe, Some(probe)) => probe,
            _ => self.limits.patience,
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let open = self.open.values();
        let answers = open.map(|(request, since)| *since + self.limit(request));
        let probe = self.limits.probe.filter(|_| !self.is_open(is_probe));
        let probe = probe.map(|probe| self.wire.heard + probe);
        let all = answers.chain(probe).chain(self.kept.watcher.wake_at());
        all.min().unwrap_or(now + IDLE)
    }

    /// Sends what is due.
    async fn ask(&mut self, now: Instant) -> Result<(), Failure> {
        self.ask_for_rows(now).await?;
        let question = self.kept.watcher.question();
        if question > self.asked && !self.is_open(|request| matches!(request, Request::Question(_)))
        {
            self.asked = question;
            self.request("echo", &json!([]), Request::Question(question), now)
                .await?;
        }
        if !self.is_open(|request| matches!(request, Request::Transaction))
            && let Some(operations) = self.kept.watcher.transaction(self.kept.replica, now)
        {
            let mut params = vec![json!(self.kept.watcher.database())];
            params.extend(operations);
            self.request("transact", &json!(params), Request::Transaction, now)
                .await?;
        }
        let probe_due = |probe| now >= self.wire.heard + probe;
        if self.limits.probe.is_some_and(probe_due) && !self.is_open(is_probe) {
            self.request("echo", &json!([]), Request::Probe, now)
                .await?;
        }
        Ok(())
    }

    async fn ask_for_rows(&mut self, now: Instant) -> Result<(), Failure> {
        let busy = self.is_open(|request| matches!(request, Request::Conditions(_)));
        if busy || self.method == Method::Plain {
            return Ok(());
        }
        let wanted = self.kept.watcher.conditions();
        if Arc::ptr_eq(&wanted, self.kept.acked) {
            return Ok(());
        }
        let changed: serde_json::Map<_, _> = wanted
            .iter()
            .filter(|(table, wanted)| self.kept.acked.get(**table) != Some(*wanted))
            .map(|(table, wanted)| ((*table).to_owned(), json!([{"where": clauses(wanted)}])))
            .collect();
        if changed.is_empty() {
            *self.kept.acked = wanted;
            return Ok(());
        }
        let next = self.monitor + 1;
        let params = json!([self.monitor, next, changed]);
        self.monitor = next;
        self.request(
            "monitor_cond_change",
            &params,
            Request::Conditions(wanted),
            now,
        )
        .await
    }

    async fn request(
        &mut self,
        method: &str,
        params: &Value,
        request: Request,
        now: Instant,
    ) -> Result<(), Failure> {
        let id = self.wire.request(method, params).await?;
        self.open.insert(id, (request, now));
        Ok(())
    }

    async fn hear(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Request { id, .. } => self.wire.answer(&id).await,
            Message::Notification { method, params } => self.update(&method, &params),
            Message::Reply { id, result } => match self.open.remove(&id) {
                Some((request, _)) => self.answered(request, result),
                None => Ok(()),
            },
        }
    }

    fn answered(&mut self, request: Request, result: Result<Value, String>) -> Result<(), Failure> {
        match (request, result) {
            (Request::Probe, _) => {}
            (Request::Question(question), _) => self.kept.watcher.up_to_date(question),
            // The rows have come before the answer.
            (Request::Conditions(conditions), Ok(_)) => {
                self.kept.watcher.covered(Some(&conditions));
                *self.kept.acked = conditions;
            }
            (Request::Conditions(_), Err(error)) => {
                let method = "monitor_cond_change";
                return Err(Failure::Refused { method, error });
            }
            (Request::Transaction, result) => {
                self.kept.watcher.transacted(result.and_then(outcome));
            }
        }
        Ok(())
    }

    fn update(&mut self, method: &str, params: &[Value]) -> Result<(), Failure> {
        let (form, updates) = match (method, params) {
            ("update", [_, updates]) => (Form::Update, updates),
            ("update2", [_, updates]) => (Form::Update2, updates),
            ("update3", [_, last_id, updates]) => {
                *self.kept.last_id = last_id.as_str().map(str::to_owned);
                (Form::Update2, updates)
            }
            ("monitor_canceled", _) => return Err(Failure::Cancelled),
            ("update" | "update2" | "update3", _) => {
                return Err(Failure::Unexpected(shortened(&json!(params))));
            }
            _ => return Ok(()),
        };
        if params.first().and_then(Value::as_u64) == Some(SERVER_MONITOR) {
            return self.judge_server(form, updates);
        }
        let mut touched = Vec::new();
        let applied = self.kept.replica.apply(form, updates, &mut touched);
        self.kept.watcher.changed(self.kept.replica, &touched);
        if applied.is_err() {
            *self.kept.last_id = None;
        }
        applied
    }

    fn judge_server(&mut self, form: Form, updates: &Value) -> Result<(), Failure> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        server.apply(form, updates, &mut Vec::new())?;
        let database = self.kept.watcher.database();
        Ok(self.kept.newest.judge(database, server)?)
    }
}

impl Request {
    fn what(&self) -> &'static str {
        match self {
            Self::Probe | Self::Question(_) => "an echo",
            Self::Conditions(_) => "which rows are wanted",
            Self::Transaction => "a transaction",
        }
    }
}

fn is_probe(request: &Request) -> bool {
    matches!(request, Request::Probe)
}

/// Of a transaction whose operations were each answered: the first error.
fn outcome(results: Value) -> Outcome {
    let results = results.as_array().map(Vec::as_slice).unwrap_or_default();
    match results.iter().find(|result| result.get("error").is_some()) {
        Some(failed) => Err(error_text(failed)),
        None => Ok(()),
    }
}
