//! What a server's schema says about the columns that are wanted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Failure;
use super::replica::TableSpec;

/// A column that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// It can hold more than one value, so that changes of it come as differences.
    pub(crate) several: bool,
}

/// The wanted columns that this server has, by table.
pub(crate) type Columns = BTreeMap<&'static str, Vec<Column>>;

/// Looks the wanted columns up: schemas grow, and servers are older or newer than
/// their clients.
pub(super) fn columns(
    database: &'static str,
    schema: &Value,
    wanted: &[TableSpec],
) -> Result<Columns, Failure> {
    let mut found = Columns::new();
    for table in wanted {
        let known = schema.pointer(&format!("/tables/{}/columns", table.name));
        let Some(known) = known.and_then(Value::as_object) else {
            if table.required.is_empty() {
                continue;
            }
            let missing = format!("table {}", table.name);
            return Err(Failure::Schema { database, missing });
        };
        if let Some(name) = table
            .required
            .iter()
            .find(|name| !known.contains_key(**name))
        {
            let missing = format!("column {name} in table {}", table.name);
            return Err(Failure::Schema { database, missing });
        }
        let column = |name: &&'static str| {
            let kind = known.get(*name)?.get("type")?;
            Some(Column {
                name,
                several: holds_several(kind),
            })
        };
        let names = table.required.iter().chain(table.optional);
        found.insert(table.name, names.filter_map(column).collect());
    }
    Ok(found)
}

fn holds_several(kind: &Value) -> bool {
    match kind.get("max") {
        Some(Value::String(_unlimited)) => true,
        Some(max) => max.as_u64().is_some_and(|max| max > 1),
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    const WANTED: &[TableSpec] = &[TableSpec {
        name: "Port_Binding",
        required: &["mac", "type"],
        optional: &["up", "chassis"],
    }];

    fn schema() -> Value {
        json!({"tables": {"Port_Binding": {"columns": {
            "mac": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
            "type": {"type": "string"},
            "chassis": {"type": {"key": "uuid", "min": 0, "max": 1}},
        }}}})
    }

    #[test]
    fn columns_that_an_old_server_lacks_are_left_out() {
        let found = columns("OVN_Southbound", &schema(), WANTED).unwrap();
        let column = |name, several| Column { name, several };
        assert_eq!(
            found.get("Port_Binding").unwrap(),
            &[
                column("mac", true),
                column("type", false),
                column("chassis", false)
            ]
        );
    }

    #[test]
    fn a_schema_without_what_is_needed_is_refused() {
        let other = json!({"tables": {"Port_Binding": {"columns": {"mac": {"type": "string"}}}}});
        let error = columns("OVN_Southbound", &other, WANTED).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("column type in table Port_Binding")
        );
        assert!(columns("OVN_Southbound", &json!({}), WANTED).is_err());
    }
}
