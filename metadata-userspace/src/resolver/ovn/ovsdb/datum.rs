//! Values of columns (RFC 7047, section 5.1).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

/// A value that is not made of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Id(Uuid),
    /// A real number, as it was spelt: nobody here counts with one.
    Real(String),
}

/// What a column holds in one row. A column for a single value holds a set of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    Set(BTreeSet<Atom>),
    Map(BTreeMap<Atom, Atom>),
}

impl Atom {
    fn parse(value: &Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(truth) => Self::Boolean(*truth),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Real(number.to_string()),
            },
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(kind), Value::String(id)] if kind == "uuid" => {
                    Self::Id(Uuid::try_parse(id).ok()?)
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Datum {
    pub(super) fn parse(value: &Value) -> Option<Self> {
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(kind), Value::Array(atoms)]) if kind == "set" => atoms
                .iter()
                .map(Atom::parse)
                .collect::<Option<_>>()
                .map(Self::Set),
            Some([Value::String(kind), Value::Array(pairs)]) if kind == "map" => {
                pairs.iter().map(pair).collect::<Option<_>>().map(Self::Map)
            }
            _ => Some(Self::Set([Atom::parse(value)?].into())),
        }
    }

    /// Applies what an `update2` says of a column that holds several values: what
    /// is in both goes, except for keys whose value is another now.
    pub(super) fn apply_difference(&mut self, difference: Self) -> Option<()> {
        match (self, difference) {
            (Self::Set(atoms), Self::Set(difference)) => {
                for atom in difference {
                    if !atoms.remove(&atom) {
                        atoms.insert(atom);
                    }
                }
            }
            (Self::Map(pairs), Self::Map(difference)) => {
                for (key, value) in difference {
                    if pairs.get(&key) == Some(&value) {
                        pairs.remove(&key);
                    } else {
                        pairs.insert(key, value);
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn pair(value: &Value) -> Option<(Atom, Atom)> {
    match value.as_array()?.as_slice() {
        [key, value] => Some((Atom::parse(key)?, Atom::parse(value)?)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    fn datum(value: Value) -> Datum {
        Datum::parse(&value).unwrap()
    }

    #[test]
    fn all_notations_are_read() {
        let id = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
        let one = |atom| Datum::Set([atom].into());
        assert_eq!(datum(json!("x")), one(Atom::Text("x".into())));
        assert_eq!(datum(json!(-7)), one(Atom::Integer(-7)));
        assert_eq!(datum(json!(1.5)), one(Atom::Real("1.5".into())));
        assert_eq!(datum(json!(true)), one(Atom::Boolean(true)));
        assert_eq!(
            datum(json!(["uuid", id])),
            one(Atom::Id(id.parse().unwrap()))
        );
        assert_eq!(datum(json!(["set", []])), Datum::Set([].into()));
        assert_eq!(datum(json!(["set", ["x"]])), datum(json!("x")));
        let map = [(Atom::Text("k".into()), Atom::Integer(1))].into();
        assert_eq!(datum(json!(["map", [["k", 1]]])), Datum::Map(map));
    }

    #[test]
    fn other_notations_are_refused() {
        for value in [
            json!(null),
            json!({}),
            json!([]),
            json!(["uuid", "x"]),
            json!(["named-uuid", "x"]),
            json!(["set", "x"]),
            json!(["map", [["k"]]]),
        ] {
            assert_eq!(Datum::parse(&value), None, "{value}");
        }
    }

    #[test]
    fn a_difference_turns_the_old_value_into_the_new_one() {
        let mut set = datum(json!(["set", ["a", "b"]]));
        set.apply_difference(datum(json!(["set", ["b", "c"]])))
            .unwrap();
        assert_eq!(set, datum(json!(["set", ["a", "c"]])));
        let mut map = datum(json!(["map", [["a", "1"], ["b", "2"]]]));
        let difference = json!(["map", [["a", "1"], ["b", "3"], ["c", "4"]]]);
        map.apply_difference(datum(difference)).unwrap();
        assert_eq!(map, datum(json!(["map", [["b", "3"], ["c", "4"]]])));
        assert_eq!(map.apply_difference(set), None);
    }
}
