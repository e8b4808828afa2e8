//! What is wrong with an inventory, said so that it can be put right at once.

use std::fmt;
use std::path::PathBuf;

/// Why an inventory was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("inventory {path:?} cannot be read: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// No TOML, or a field of an unknown name or another type; says the line.
    #[error("inventory {path:?}: {source}")]
    Syntax {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("inventory {path:?} is not usable:{}", lines(faults))]
    Faults { path: PathBuf, faults: Vec<Fault> },
}

/// One field that will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which instance, counted from 1, with its name.
    pub instance: String,
    /// For example `uuid` or `port 2: mac_address`.
    pub field: String,
    /// What was found and what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.instance, self.field, self.problem)
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
