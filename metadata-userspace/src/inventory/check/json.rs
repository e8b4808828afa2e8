//! Vendor data is written in TOML and served as JSON.

use serde_json::{Map, Number, Value};
use toml::Table;

use super::faults::Faults;

pub(super) fn object(field: &str, table: Table, faults: &mut Faults) -> Map<String, Value> {
    table
        .into_iter()
        .map(|(key, value)| {
            let value = json(&format!("{field}.{key}"), value, faults);
            (key, value)
        })
        .collect()
}

fn json(field: &str, value: toml::Value, faults: &mut Faults) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Float(number) => Number::from_f64(number).map_or_else(
            || {
                faults.add(field, format!("{number} has no form in JSON"));
                Value::Null
            },
            Value::Number,
        ),
        toml::Value::Array(values) => values
            .into_iter()
            .map(|value| json(field, value, faults))
            .collect(),
        toml::Value::Table(table) => object(field, table, faults).into(),
    }
}
