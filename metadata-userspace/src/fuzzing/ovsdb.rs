use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::resolver::ovn::ovsdb::message::Message;
use crate::resolver::ovn::ovsdb::replica::{Form, Replica, Row, Touched};
use crate::resolver::ovn::ovsdb::schema::{Column, Columns};
use crate::resolver::ovn::ovsdb::splitter::{Garbage, Splitter};

const TABLE: &str = "Port_Binding";

/// What an OVSDB server sends ([`crate::resolver::ovn::ovsdb`]): it does not matter in
/// which pieces the bytes come, and no row changes without being named as touched.
///
/// The first byte is the size of the pieces.
pub fn ovsdb(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let whole = objects(stream, stream.len());
    let pieces = objects(stream, usize::from(size));
    assert_eq!(whole, pieces);
    let (objects, _) = whole;
    let mut replica = empty();
    for object in objects {
        if let Ok(Message::Notification { method, params }) = Message::parse(object)
            && let Some((form, updates)) = update(&method, &params)
        {
            assert_changes_are_named(&mut replica, form, updates);
        }
    }
}

/// All that come before the end, or before what is none.
fn objects(stream: &[u8], size: usize) -> (Vec<Value>, Option<Garbage>) {
    let mut splitter = Splitter::default();
    let mut objects = Vec::new();
    for piece in stream.chunks(size.max(1)) {
        splitter.buffer.extend_from_slice(piece);
        loop {
            match splitter.next() {
                Ok(Some(object)) => objects.push(object),
                Ok(None) => break,
                Err(garbage) => return (objects, Some(garbage)),
            }
        }
    }
    (objects, None)
}

fn update<'a>(method: &str, params: &'a [Value]) -> Option<(Form, &'a Value)> {
    match (method, params) {
        ("update", [_, updates]) => Some((Form::Update, updates)),
        ("update2", [_, updates]) | ("update3", [_, _, updates]) => Some((Form::Update2, updates)),
        _ => None,
    }
}

fn empty() -> Replica {
    let column = |name, several| Column { name, several };
    let columns = vec![
        column("logical_port", false),
        column("chassis", false),
        column("up", false),
        column("mac", true),
        column("external_ids", true),
    ];
    let mut replica = Replica::default();
    let columns = Columns::from([(TABLE, columns)]);
    let nothing = Value::Object(serde_json::Map::new());
    let replaced = replica.replace(&columns, Form::Update2, &nothing);
    assert!(replaced.is_ok(), "no rows are always taken");
    replica
}

fn rows(replica: &Replica) -> BTreeMap<Uuid, Row> {
    let rows = replica.rows(TABLE);
    rows.map(|(id, row)| (id, row.clone())).collect()
}

fn assert_changes_are_named(replica: &mut Replica, form: Form, updates: &Value) {
    let before = rows(replica);
    let mut touched = Vec::new();
    // Refused updates may have been applied in part: the connection ends then.
    let _ = replica.apply(form, updates, &mut touched);
    let after = rows(replica);
    for id in before.keys().chain(after.keys()) {
        if before.get(id) != after.get(id) {
            let row = Touched {
                table: TABLE,
                id: *id,
            };
            assert!(touched.contains(&row), "{id} changed silently");
        }
    }
}
