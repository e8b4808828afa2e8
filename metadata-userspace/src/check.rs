//! `metadatad check`: would `run` work here, and what to do where it would not.
//!
//! [`facts`] looks at the host, [`evaluate`] judges what was seen and does
//! nothing else, [`report`] shows it.

mod agents_path;
mod evaluate;
mod facts;
mod modules;
mod namespaces;
mod report;
mod rules;
mod shim;
mod sources;

use serde::Serialize;

pub use facts::HostFacts;
pub use report::Report;
pub use shim::ShimFacts;

use crate::config::{Config, ConfigSources};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Ok,
    /// It works, with less than an operator may expect.
    Warning,
    /// `run` would fail, or no guest would be answered.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub what: String,
    /// What an operator can do about it.
    pub remedy: Option<String>,
}

/// Checks the configuration and, when it has no fault, this host.
pub fn examine(sources: &ConfigSources) -> Report {
    match Config::load(sources) {
        Ok(config) => {
            let findings = evaluate::findings(&config, &HostFacts::gather(&config));
            Report::of_host(config.notes, findings)
        }
        Err(errors) => Report::of_faults(errors),
    }
}
