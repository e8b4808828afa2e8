//! Copies of a database's rows, kept by the server's updates.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Failure;
use super::datum::{Atom, Datum};
use super::message::shortened;
use super::schema::{Column, Columns};

/// A table that is wanted, and which of its columns.
#[derive(Clone, Copy, Debug)]
pub struct TableSpec {
    pub name: &'static str,
    /// The database is refused without these; when there are none, it may lack the
    /// whole table.
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

/// A row that came, changed or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    pub table: &'static str,
    pub id: Uuid,
}

/// The columns of a row; those with their type's default value may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<&'static str, Datum>);

impl Row {
    pub fn set(&self, column: &str) -> impl Iterator<Item = &Atom> {
        let atoms = match self.0.get(column) {
            Some(Datum::Set(atoms)) => Some(atoms),
            _ => None,
        };
        atoms.into_iter().flatten()
    }

    /// A text, empty by default.
    pub fn text(&self, column: &str) -> &str {
        self.set(column).find_map(Atom::text).unwrap_or_default()
    }

    /// A number, 0 by default.
    pub fn integer(&self, column: &str) -> i64 {
        let number = self.set(column).find_map(|atom| match atom {
            Atom::Integer(number) => Some(*number),
            _ => None,
        });
        number.unwrap_or_default()
    }

    /// A truth, if there is one.
    pub fn boolean(&self, column: &str) -> Option<bool> {
        self.set(column).find_map(|atom| match atom {
            Atom::Boolean(truth) => Some(*truth),
            _ => None,
        })
    }

    /// The first row that the column refers to.
    pub fn reference(&self, column: &str) -> Option<Uuid> {
        self.set(column).find_map(|atom| match atom {
            Atom::Id(id) => Some(*id),
            _ => None,
        })
    }

    /// The value of a key in a column that maps texts to texts.
    pub fn value(&self, column: &str, key: &str) -> Option<&str> {
        match self.0.get(column)? {
            Datum::Map(pairs) => pairs.get(&Atom::Text(key.to_owned()))?.text(),
            Datum::Set(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    /// Which columns hold several values.
    columns: BTreeMap<&'static str, bool>,
    rows: HashMap<Uuid, Row>,
}

/// All rows that a server told of.
#[derive(Debug, Default)]
pub struct Replica(BTreeMap<&'static str, Table>);

/// In what form a server tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `update`: rows whole, before and after.
    Update,
    /// `update2` and `update3`: differences.
    Update2,
}

impl Replica {
    /// Whether it has exactly these columns.
    pub(super) fn has(&self, columns: &Columns) -> bool {
        let table = |name: &&'static str| self.0.get(name).map(|table| &table.columns);
        columns.len() == self.0.len()
            && columns
                .iter()
                .all(|(name, columns)| table(name) == Some(&by_name(columns)))
    }

    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Row)> {
        let table = self.0.get(table).into_iter();
        table.flat_map(|table| table.rows.iter().map(|(id, row)| (*id, row)))
    }

    pub fn row(&self, touched: Touched) -> Option<&Row> {
        self.0.get(touched.table)?.rows.get(&touched.id)
    }

    /// Takes rows with these columns in the place of everything before, or nothing
    /// when they cannot be read; says which rows there are or were.
    pub(crate) fn replace(
        &mut self,
        columns: &Columns,
        form: Form,
        updates: &Value,
    ) -> Result<Vec<Touched>, Failure> {
        let table = |(name, columns): (&&'static str, &Vec<Column>)| {
            let table = Table {
                columns: by_name(columns),
                rows: HashMap::new(),
            };
            (*name, table)
        };
        let mut new = Self(columns.iter().map(table).collect());
        let mut touched = Vec::new();
        new.apply(form, updates, &mut touched)?;
        for (name, table) in &self.0 {
            touched.extend(table.rows.keys().map(|id| Touched {
                table: name,
                id: *id,
            }));
        }
        *self = new;
        touched.sort_unstable();
        touched.dedup();
        Ok(touched)
    }

    /// Applies table updates. `touched` are the rows that they are about, also when
    /// one of them cannot be applied.
    pub(crate) fn apply(
        &mut self,
        form: Form,
        updates: &Value,
        touched: &mut Vec<Touched>,
    ) -> Result<(), Failure> {
        for (name, rows) in object(updates)? {
            let Some((name, table)) = self.named(name) else {
                continue;
            };
            for (id, update) in object(rows)? {
                let id = Uuid::try_parse(id).map_err(|_| malformed(rows))?;
                touched.push(Touched { table: name, id });
                table
                    .apply(form, id, object(update)?)
                    .ok_or_else(|| malformed(update))?;
            }
        }
        Ok(())
    }

    fn named(&mut self, name: &str) -> Option<(&'static str, &mut Table)> {
        let mut tables = self.0.iter_mut();
        tables
            .find(|(table, _)| **table == name)
            .map(|(name, table)| (*name, table))
    }
}

impl Table {
    fn apply(&mut self, form: Form, id: Uuid, update: &Map<String, Value>) -> Option<()> {
        let present = |name| update.get(name).filter(|value| !value.is_null());
        let whole = match form {
            Form::Update => present("new"),
            Form::Update2 => present("initial").or_else(|| present("insert")),
        };
        if let Some(row) = whole {
            let row = self.parse(row.as_object()?)?;
            self.rows.insert(id, row);
            return Some(());
        }
        match (form, update.get("modify")) {
            (Form::Update2, Some(difference)) => self.modify(id, difference.as_object()?),
            // `delete`, or an `old` without `new`.
            _ => {
                self.rows.remove(&id);
                Some(())
            }
        }
    }

    fn parse(&self, row: &Map<String, Value>) -> Option<Row> {
        let datum = |(name, _): (&&'static str, _)| {
            let value = row.get(*name)?;
            Some(Datum::parse(value).map(|datum| (*name, datum)))
        };
        let columns = self.columns.iter().filter_map(datum);
        columns.collect::<Option<_>>().map(Row)
    }

    fn modify(&mut self, id: Uuid, difference: &Map<String, Value>) -> Option<()> {
        let Row(difference) = self.parse(difference)?;
        let Row(row) = self.rows.get_mut(&id)?;
        for (name, datum) in difference {
            match row.get_mut(name) {
                Some(old) if self.columns.get(name) == Some(&true) => {
                    old.apply_difference(datum)?
                }
                // It was the default, which is empty.
                _ => {
                    row.insert(name, datum);
                }
            }
        }
        Some(())
    }
}

fn by_name(columns: &[Column]) -> BTreeMap<&'static str, bool> {
    columns
        .iter()
        .map(|column| (column.name, column.several))
        .collect()
}

fn object(value: &Value) -> Result<&Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| malformed(value))
}

fn malformed(value: &Value) -> Failure {
    Failure::Unexpected(shortened(value))
}

/// A replica with these rows, for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub fn replica_of(tables: &[TableSpec], updates: &Value) -> Replica {
    // The columns that hold several values in the schemas of OVN.
    let several = ["mac", "external_ids"];
    let column = |name: &&'static str| Column {
        name,
        several: several.contains(name),
    };
    let columns = |table: &TableSpec| {
        let names = table.required.iter().chain(table.optional);
        (table.name, names.map(column).collect())
    };
    let columns = tables.iter().map(columns).collect();
    let mut replica = Replica::default();
    replica.replace(&columns, Form::Update2, updates).unwrap();
    replica
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
