//! `metadatad api`: the embedded metadata API alone, for other hosts' agents.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use anyhow::Context;
use tokio::sync::mpsc;

use super::supervise::{Worker, supervise};
use super::{passwords, run};
use crate::config::Config;
use crate::supervisor::orders::ListenerRole;
use crate::supervisor::sockets;

/// Serves the API until it is told to stop. Needs tokio's local task set.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let config = without_agent(config);
    let account = config.worker.account()?;
    let (commands, queue) = mpsc::unbounded_channel();
    run::hand_over(vec![(ListenerRole::Api, open(&config)?)], &commands)?;
    passwords::prepare(&config.api.password_dir, &account)?;
    let briefing = run::brief(config)?;
    Ok(supervise(
        Worker {
            account,
            briefing,
            commands,
            queue,
        },
        None,
    )
    .await?)
}

/// Nobody is identified here, so no server is asked and none is reported to.
fn without_agent(mut config: Config) -> Config {
    config.api.embedded = true;
    config.agent.enabled = false;
    (config.messaging, config.keystone, config.ovn) = (None, None, None);
    config
}

/// Listens at `nova_metadata_host:nova_metadata_port`.
pub fn open(config: &Config) -> anyhow::Result<OwnedFd> {
    let (host, port) = (config.nova.host.as_str(), config.nova.port);
    let mut addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("nova_metadata_host: cannot find the address of `{host}`"))?;
    let address: SocketAddr = addresses
        .next()
        .with_context(|| format!("nova_metadata_host: `{host}` has no address"))?;
    Ok(sockets::tcp(address, config.worker.backlog)?)
}
