//! What `metadatad status` shows: the observed state, never the wanted one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::Realm;
use crate::metrics::Totals;

/// What the supervisor sees of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    pub version: String,
    pub worker: WorkerState,
    pub programs: BTreeMap<String, u32>,
    pub namespaces: Vec<NamespaceState>,
    /// By verdict, since the maps were made.
    pub verdicts: BTreeMap<String, VerdictCount>,
}

/// The process that serves requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerState {
    pub pid: Option<u32>,
    /// How often it had to be replaced.
    pub restarts: u64,
}

/// One namespace that is served or should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceState {
    pub name: String,
    pub realm: Realm,
    pub inode: u64,
    pub state: ServingState,
    /// Why it is not served, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    pub interfaces: Vec<InterfaceState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServingState {
    Serving,
    Failed,
}

/// A tenant-facing interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceState {
    pub name: String,
    pub index: u32,
    pub steered: bool,
}

/// How often the programs came to one verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCount {
    pub packets: u64,
    pub bytes: u64,
}

/// The whole answer of the admin socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    #[serde(flatten)]
    pub host: HostState,
    /// What the worker counted since it started.
    #[serde(flatten)]
    pub totals: Totals,
}
