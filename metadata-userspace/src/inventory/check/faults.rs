//! Collecting what is wrong with one instance while reading on.

use std::str::FromStr;

use uuid::Uuid;

use crate::inventory::Fault;

const UUID: &str = "a UUID like 8a1c6f9e-3f7b-4d0a-9a53-0f1d2c3b4a59";

/// The faults of one instance. What reads a field gives a placeholder when the
/// field is faulty.
pub(super) struct Faults {
    instance: String,
    prefix: String,
    list: Vec<Fault>,
}

impl Faults {
    pub(super) fn of(instance: String) -> Self {
        Self {
            instance,
            prefix: String::new(),
            list: Vec::new(),
        }
    }

    /// Fields from here on belong to the entry that `prefix` names.
    pub(super) fn enter(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.list
    }

    pub(super) fn add(&mut self, field: &str, problem: String) {
        self.list.push(Fault {
            instance: self.instance.clone(),
            field: format!("{}{field}", self.prefix),
            problem,
        });
    }

    pub(super) fn required(&mut self, field: &str, what: &str, text: Option<String>) -> String {
        let text = text.unwrap_or_default();
        if text.is_empty() {
            self.add(field, format!("missing: {what} is needed"));
        }
        text
    }

    pub(super) fn uuid(&mut self, field: &str, text: Option<String>) -> Uuid {
        match text {
            Some(text) => self.parsed(field, UUID, &text).unwrap_or_default(),
            None => {
                self.add(field, format!("missing: {UUID} is needed"));
                Uuid::nil()
            }
        }
    }

    pub(super) fn optional_uuid(&mut self, field: &str, text: Option<String>) -> Option<Uuid> {
        self.parsed(field, UUID, &text?)
    }

    pub(super) fn parsed<T: FromStr>(&mut self, field: &str, what: &str, text: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let found = text.escape_debug();
            self.add(field, format!("`{found}` is not {what}"));
        }
        parsed
    }
}
