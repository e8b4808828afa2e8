//! What parts left behind, read back. Fields that are not asked for are passed over, so a
//! part may have more of them than this page knows.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bench::machine::Machine;
use crate::bench::rounds::Plan;

/// The document of one part.
#[derive(Debug)]
pub(super) struct Document {
    file: PathBuf,
    name: &'static str,
    value: Value,
}

/// Where and when the figures were taken.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Conditions {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    /// RFC 3339, UTC.
    #[serde(default)]
    pub(super) measured: Option<String>,
    /// What measures them again.
    #[serde(default)]
    pub(super) command: Option<String>,
}

impl Document {
    /// None when the part was never measured.
    ///
    /// # Errors
    /// When its file cannot be read, or is no JSON.
    pub(super) fn read(directory: &Path, name: &'static str) -> Result<Option<Self>> {
        let file = directory.join(format!("{name}.json"));
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON: {}", file.display(), advice(name)))?;
        Ok(Some(Self { file, name, value }))
    }

    /// # Errors
    /// When the document does not say.
    pub(super) fn conditions(&self) -> Result<Conditions> {
        self.typed(&self.value, "")
    }

    /// What the part measured.
    ///
    /// # Errors
    /// When it has another shape; the error names file and field.
    pub(super) fn part<T: DeserializeOwned>(&self) -> Result<T> {
        self.typed(self.raw(), self.name)
    }

    /// The same as it stands there.
    pub(super) fn raw(&self) -> &Value {
        self.value.get(self.name).unwrap_or(&Value::Null)
    }

    /// What there is to know about the part.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = self.raw().get("notes").and_then(Value::as_array);
        let notes = notes.into_iter().flatten().filter_map(Value::as_str);
        notes.map(str::to_owned).collect()
    }

    fn typed<T: DeserializeOwned>(&self, value: &Value, place: &str) -> Result<T> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let field = error.path().to_string();
            let place = [place, field.as_str()];
            let place = place.iter().filter(|part| !["", "."].contains(part));
            let place: Vec<_> = place.copied().collect();
            anyhow!(
                "{}: field `{}`: {}: {}",
                self.file.display(),
                place.join("."),
                error.inner(),
                advice(self.name)
            )
        })
    }
}

fn advice(name: &str) -> String {
    format!("measure it again with `cargo xtask bench --report --only {name}`, or remove the file")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Wanted {
        cases: Vec<Case>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Case {
        rate: f64,
    }

    fn document(text: &str) -> Document {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("path.json"), text).unwrap();
        Document::read(directory.path(), "path").unwrap().unwrap()
    }

    #[test]
    fn a_part_that_was_never_measured_is_none() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Document::read(directory.path(), "path").unwrap().is_none());
    }

    #[test]
    fn what_the_page_does_not_know_is_passed_over() {
        let document = document(r#"{"path": {"cases": [{"rate": 1.5, "later": 1}], "new": {}}}"#);
        assert_eq!(document.part::<Wanted>().unwrap().cases.len(), 1);
    }

    #[test]
    fn a_wrong_shape_is_named_by_file_and_field() {
        let document = document(r#"{"path": {"cases": [{"rate": 1.5}, {"rate": "fast"}]}}"#);
        let error = document.part::<Wanted>().unwrap_err().to_string();
        assert!(
            error.contains("path.json: field `path.cases[1].rate`"),
            "{error}"
        );
        assert!(error.contains("--only path"), "{error}");
    }

    #[test]
    fn a_document_without_its_part_is_a_wrong_shape() {
        let error = document("{}").part::<Wanted>().unwrap_err().to_string();
        assert!(error.contains("path.json: field `path`"), "{error}");
    }
}
