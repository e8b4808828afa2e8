//! Rows for tests.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ovsdb::{Row, TableSpec, Touched, replica_of};

/// The row that a server describes so.
pub(super) fn row(table: TableSpec, row: &Value) -> Row {
    let touched = Touched {
        table: table.name,
        id: Uuid::from_u128(1),
    };
    let rows = json!({table.name: {touched.id.to_string(): {"initial": row}}});
    let replica = replica_of(&[table], &rows);
    replica.row(touched).cloned().unwrap()
}
