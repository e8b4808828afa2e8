//! What is wrong with the configuration: everything, at once.

use std::fmt;

use super::oslo::Place;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is written; `None` for what is missing.
    pub place: Option<Place>,
    /// Group and name.
    pub option: Option<(String, String)>,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some((group, name)) = &self.option {
            // A faulty name may hold anything.
            write!(f, "[{group}] {}: ", name.escape_debug())?;
        }
        f.write_str(&self.problem)
    }
}

/// All faults, in the order in which they are shown: one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
