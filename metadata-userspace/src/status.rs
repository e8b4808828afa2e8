//! What `metadatad status` shows: the observed state, never the wanted one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::datapath::ForeignProgram;
use crate::identity::Realm;
use crate::metrics::Totals;
use crate::namespaces::role::Kind;

/// What the supervisor sees of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    pub version: String,
    pub worker: WorkerState,
    /// What the daemon itself lacks, why, and what to do.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub problems: Vec<String>,
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
    pub kind: Kind,
    pub realm: Realm,
    pub inode: u64,
    pub state: ServingState,
    /// Who answers a guest that asks now.
    pub answers: Answerer,
    /// The processes of the haproxy shims that keep it served.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shims: Vec<u32>,
    /// Why it is not served, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    pub interfaces: Vec<InterfaceState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServingState {
    Serving,
    /// A highly available router whose primary is on another host.
    Standby,
    /// The agent serves no metadata there.
    Idle,
    /// The agent ended the haproxy shim that it had there.
    Released,
    Failed,
}

/// Who answers guests' requests in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answerer {
    /// We do.
    Metadatad,
    /// We do not, and Neutron's proxy listens there.
    Haproxy,
    Nobody,
}

/// A tenant-facing interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceState {
    pub name: String,
    pub index: u32,
    pub steered: bool,
    pub ipv6: Ipv6State,
    #[serde(default)]
    pub guard: GuardState,
    /// Other people's programs there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub foreign: Vec<ForeignProgram>,
}

/// Whether the interface's driver runs the XDP guard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardState {
    On,
    /// `xdp_guard` does not name the interface.
    #[default]
    Off,
    /// It does, and why there is none.
    Unavailable(String),
}

/// Whether guests behind an interface can ask over IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ipv6State {
    Listening,
    /// The interface is down, or the kernel still looks for others with the address.
    Waiting,
    /// They cannot, and why.
    Unavailable(String),
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
    /// If the supervisor did not answer, how old what is said of the host is, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub supervisor_silent_for: Option<u64>,
    /// What the worker counted since it started.
    #[serde(flatten)]
    pub totals: Totals,
    /// What holds of the worker that says so.
    #[serde(default)]
    pub sandbox: SandboxState,
}

/// How the worker is confined, besides having no privilege.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxState {
    /// Only the system calls that it needs.
    pub seccomp: bool,
    /// The ABI of Landlock that holds; 0 is none, 4 and more restrict connections too.
    pub landlock: u32,
}

impl std::fmt::Display for SandboxState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.seccomp, self.landlock) {
            (false, 0) => f.write_str("off"),
            (true, 0) => f.write_str("seccomp; no Landlock in this kernel"),
            (_, abi) => write!(f, "seccomp, Landlock ABI {abi}"),
        }
    }
}
