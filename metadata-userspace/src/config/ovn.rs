//! The databases that the ovn resolver asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::option::Opt;
use super::options as table;
use super::reader::Reader;
use super::types::FilePath;
use super::types::Optional;

/// Where an ovsdb-server listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OvsdbRemote {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
    Ssl { host: String, port: u16 },
}

impl fmt::Display for OvsdbRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Ssl { host, port } => ("ssl", host, port),
        };
        match host.contains(':') {
            true => write!(f, "{kind}:[{host}]:{port}"),
            false => write!(f, "{kind}:{host}:{port}"),
        }
    }
}

/// What the ovn resolver needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvnConfig {
    /// `[ovn] ovn_sb_connection`: servers of the southbound database; at least one.
    pub southbound: Vec<OvsdbRemote>,
    /// When one of them is `ssl:`.
    pub tls: Option<OvnTls>,
    /// `[ovn] ovsdb_connection_timeout`: for any answer of theirs.
    pub patience: Duration,
    /// `[ovn] ovsdb_probe_interval`; never when it is 0.
    pub probe: Option<Duration>,
    /// `[ovs] ovsdb_connection`: the Open vSwitch of this host.
    pub local: OvsdbRemote,
    /// `[ovs] ovsdb_connection_timeout`.
    pub local_patience: Duration,
    /// `agent_down_time` of the server.
    pub agent_down_time: Duration,
}

/// PEM files; servers of OVN want a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvnTls {
    /// `[ovn] ovn_sb_private_key`.
    pub private_key: PathBuf,
    /// `[ovn] ovn_sb_certificate`.
    pub certificate: PathBuf,
    /// `[ovn] ovn_sb_ca_cert`.
    pub ca_cert: PathBuf,
}

impl OvnConfig {
    /// All servers.
    pub fn remotes(&self) -> impl Iterator<Item = &OvsdbRemote> {
        self.southbound.iter().chain([&self.local])
    }

    /// The unix sockets that the supervisor may connect to for the worker.
    pub fn unix_sockets(&self) -> impl Iterator<Item = &Path> {
        self.remotes().filter_map(|remote| match remote {
            OvsdbRemote::Unix(path) => Some(path.as_path()),
            _ => None,
        })
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> OvnConfig {
    let southbound = reader.read(&table::OVN_SB_CONNECTION);
    let ssl = |remote: &OvsdbRemote| matches!(remote, OvsdbRemote::Ssl { .. });
    let tls = southbound.iter().any(ssl).then(|| tls(reader));
    let probe = reader.read(&table::OVSDB_PROBE_INTERVAL);
    // OVS forces it so (python/ovs/db/idl.py).
    let probe = (probe > 0).then(|| Duration::from_millis(probe.max(1000)));
    OvnConfig {
        tls: tls.flatten(),
        patience: Duration::from_secs(reader.read(&table::OVN_CONNECTION_TIMEOUT)),
        probe,
        local: reader
            .read(&table::OVS_CONNECTION)
            .unwrap_or(OvsdbRemote::Unix(PathBuf::new())),
        local_patience: Duration::from_secs(reader.read(&table::OVS_CONNECTION_TIMEOUT)),
        agent_down_time: Duration::from_secs(reader.read(&table::AGENT_DOWN_TIME)),
        southbound,
    }
}

fn tls(reader: &mut Reader<'_>) -> Option<OvnTls> {
    let mut needed = |option: &'static Opt<Optional<FilePath>>| {
        let path = reader.read(option);
        if path.is_none() {
            let problem = "must be set: ovn_sb_connection has an `ssl:` server, which wants it";
            reader.reject(&option.spec, problem.to_owned());
        }
        path
    };
    let private_key = needed(&table::OVN_SB_PRIVATE_KEY);
    let certificate = needed(&table::OVN_SB_CERTIFICATE);
    let ca_cert = needed(&table::OVN_SB_CA_CERT);
    Some(OvnTls {
        private_key: private_key?,
        certificate: certificate?,
        ca_cert: ca_cert?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
