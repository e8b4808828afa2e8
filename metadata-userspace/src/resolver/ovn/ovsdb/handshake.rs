//! From a connection to a monitor of the wanted rows.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Failure;
use super::message::shortened;
use super::replica::{Form, Replica, TableSpec, Touched};
use super::schema::{Column, Columns, columns};
use super::server::{self, Newest};
use super::watcher::Conditions;
use super::wire::Wire;

/// Longest silence of a server that is asked for something. A server that was just
/// restarted has a thousand clients to serve at once.
const SILENCE: Duration = Duration::from_secs(30);
const UNKNOWN_METHOD: &str = "unknown method";
/// The names of the two monitors; later ones of the database have later numbers.
pub(super) const SERVER_MONITOR: u64 = 0;
pub(super) const FIRST_MONITOR: u64 = 1;

/// The ways to monitor, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Since OVS 2.12: goes on after the transaction that was seen last.
    CondSince,
    Cond,
    /// RFC 7047's: every row.
    Plain,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::CondSince => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    fn older(self) -> Option<Self> {
        match self {
            Self::CondSince => Some(Self::Cond),
            Self::Cond => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// What is wanted, and what is known from earlier connections.
pub(super) struct Wish<'a> {
    pub(super) database: &'static str,
    pub(super) tables: &'static [TableSpec],
    pub(super) conditions: &'a Conditions,
    /// The last transaction that is in the replica under these very conditions.
    pub(super) last_id: Option<&'a str>,
    pub(super) patience: Duration,
}

/// A monitor that was set up.
pub(super) struct Monitored {
    pub(super) method: Method,
    /// What the server said of itself; `None`: it is too old to.
    pub(super) server: Option<Replica>,
    pub(super) last_id: Option<String>,
}

/// Checks the server and fetches the wanted rows into `replica`; `touched` are those
/// that may be other ones now, also when it fails.
pub(super) async fn shake(
    wire: &mut Wire,
    wish: &Wish<'_>,
    newest: &mut Newest,
    replica: &mut Replica,
    touched: &mut Vec<Touched>,
) -> Result<Monitored, Failure> {
    let silence = SILENCE.min(wish.patience);
    let server = ask_about_itself(wire, silence).await?;
    if let Some(server) = &server {
        newest.judge(wish.database, server)?;
        // Else the server disconnects all clients when any database changes its kind.
        call(wire, "set_db_change_aware", &json!([true]), silence)
            .await
            .ok();
    }
    let schema = call(wire, "get_schema", &json!([wish.database]), silence).await?;
    let columns = columns(wish.database, &schema, wish.tables)?;
    // Columns that it did not have before would stay empty.
    let wish = Wish {
        last_id: wish.last_id.filter(|_| replica.has(&columns)),
        ..*wish
    };
    let (method, answer) = monitor(wire, &wish, &columns, silence).await?;
    let last_id = take(method, &answer, &columns, replica, touched)?;
    Ok(Monitored {
        method,
        server,
        last_id,
    })
}

/// The `_Server` database, if there is one: since OVS 2.9.
async fn ask_about_itself(wire: &mut Wire, silence: Duration) -> Result<Option<Replica>, Failure> {
    let params = json!([server::DATABASE]);
    let Ok(schema) = wire.call("get_schema", &params, silence).await? else {
        return Ok(None);
    };
    let columns = columns(server::DATABASE, &schema, server::TABLES)?;
    let requests = requests(&columns, &Conditions::new());
    let params = json!([server::DATABASE, SERVER_MONITOR, requests]);
    let rows = call(wire, "monitor_cond", &params, silence).await?;
    let mut server = Replica::default();
    server.replace(&columns, Form::Update2, &rows)?;
    Ok(Some(server))
}

async fn monitor(
    wire: &mut Wire,
    wish: &Wish<'_>,
    columns: &Columns,
    silence: Duration,
) -> Result<(Method, Value), Failure> {
    let mut method = Method::CondSince;
    loop {
        let requests = match method {
            Method::Plain => requests(columns, &Conditions::new()),
            _ => requests(columns, wish.conditions),
        };
        let mut params = vec![json!(wish.database), json!(FIRST_MONITOR), requests];
        if method == Method::CondSince {
            params.push(json!(wish.last_id.unwrap_or(NO_TRANSACTION)));
        }
        match wire.call(method.name(), &json!(params), silence).await? {
            Ok(answer) => return Ok((method, answer)),
            Err(error) => match method.older() {
                Some(older) if error.contains(UNKNOWN_METHOD) => method = older,
                _ => {
                    let method = method.name();
                    return Err(Failure::Refused { method, error });
                }
            },
        }
    }
}

const NO_TRANSACTION: &str = "00000000-0000-0000-0000-000000000000";

fn requests(columns: &Columns, conditions: &Conditions) -> Value {
    let request = |(table, columns): (&&'static str, &Vec<Column>)| {
        let names: Vec<_> = columns.iter().map(|column| column.name).collect();
        let mut request = json!({"columns": names});
        if let (Some(wanted), Some(request)) = (conditions.get(table), request.as_object_mut()) {
            request.insert("where".to_owned(), clauses(wanted));
        }
        ((*table).to_owned(), json!([request]))
    };
    Value::Object(columns.iter().map(request).collect::<Map<_, _>>())
}

/// An empty list of clauses would mean every row.
pub(super) fn clauses(wanted: &[Value]) -> Value {
    match wanted {
        [] => json!([false]),
        some => json!(some),
    }
}

/// Returns the last transaction, where the server counts them.
fn take(
    method: Method,
    answer: &Value,
    columns: &Columns,
    replica: &mut Replica,
    touched: &mut Vec<Touched>,
) -> Result<Option<String>, Failure> {
    let (form, found, last_id, updates) = match (method, answer.as_array().map(Vec::as_slice)) {
        (Method::Plain, _) => (Form::Update, false, None, answer),
        (Method::Cond, _) => (Form::Update2, false, None, answer),
        (Method::CondSince, Some([found, last_id, updates])) => {
            let found = found.as_bool() == Some(true);
            (Form::Update2, found, last_id.as_str(), updates)
        }
        (Method::CondSince, _) => return Err(Failure::Unexpected(shortened(answer))),
    };
    match found {
        true => replica.apply(form, updates, touched)?,
        false => *touched = replica.replace(columns, form, updates)?,
    }
    Ok(last_id.map(str::to_owned))
}

async fn call(
    wire: &mut Wire,
    method: &'static str,
    params: &Value,
    silence: Duration,
) -> Result<Value, Failure> {
    let answer = wire.call(method, params, silence).await?;
    answer.map_err(|error| Failure::Refused { method, error })
}
