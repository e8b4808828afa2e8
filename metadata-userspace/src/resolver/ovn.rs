//! Ports as OVN's southbound database has them.
//!
//! The database tells of every change by itself, so nobody is asked who has an
//! address: it is in an index, which a background task keeps.

mod binding;
mod index;
mod liveness;
mod local;
pub mod ovsdb;
mod ports;
mod shared;
mod southbound;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod testing;

use std::sync::Arc;

use tokio::sync::Notify;

use liveness::{Liveness, random};
use local::Local;
use ovsdb::{Client, OPTIONS, Reach, UnixSockets};
use ports::OvnPorts;
use shared::Shared;
use southbound::Southbound;

use super::identifier::Ports;
use crate::config::OvnConfig;
use crate::dependencies::Dependencies;
use crate::upstream::{TlsError, TlsFiles, TlsPaths};

/// Reads the files for `ssl:` servers.
pub fn read_tls(config: &OvnConfig) -> Result<TlsFiles, TlsError> {
    let Some(tls) = &config.tls else {
        return Ok(TlsFiles::default());
    };
    let paths = TlsPaths {
        ca: Some(&tls.ca_cert),
        client: Some((&tls.certificate, &tls.private_key)),
    };
    TlsFiles::read(&paths, OPTIONS)
}

/// Starts to keep the index, on the tokio runtime that it is called on, for as long
/// as that lives.
pub fn start(
    config: &OvnConfig,
    tls: &TlsFiles,
    sockets: &Arc<dyn UnixSockets>,
    dependencies: &Dependencies,
) -> Arc<dyn Ports> {
    let shared = Arc::new(Shared::new());
    let southbound = Reach {
        option: "[ovn] ovn_sb_connection",
        remotes: config.southbound.clone(),
        tls: tls.clone(),
        sockets: sockets.clone(),
        patience: config.patience,
        probe: config.probe,
    };
    let watcher = Southbound::new(
        shared.clone(),
        Liveness::new(config.agent_down_time, random),
    );
    let dependency = dependencies.dependency("ovsdb");
    let client = Client::new(southbound, watcher, shared.woken.clone(), dependency);
    let first = config.southbound.len() as f64 * random();
    // A share of a small number.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ≤ first ≤ len"
    )]
    tokio::spawn(client.run(first as usize));

    let local = Reach {
        option: "[ovs] ovsdb_connection",
        remotes: vec![config.local.clone()],
        tls: TlsFiles::default(),
        sockets: sockets.clone(),
        patience: config.local_patience,
        probe: config.probe,
    };
    let dependency = dependencies.dependency("ovsdb-local");
    let watcher = Local::new(shared.clone());
    let client = Client::new(local, watcher, Arc::new(Notify::new()), dependency);
    tokio::spawn(client.run(0));
    Arc::new(OvnPorts::new(shared))
}
