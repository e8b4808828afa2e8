//! `metadatad api`: the embedded metadata API alone, for other hosts' agents.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::Context;
use tokio::sync::mpsc;

use super::lineage::Lineage;
use super::listeners::{Opener, wanted};
use super::supervise::{Worker, supervise};
use super::{passwords, run};
use crate::config::Config;
use crate::supervisor::inherited::Inherited;
use crate::supervisor::orders::ListenerRole;

/// Serves the API until it is told to stop. Needs tokio's local task set.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let config = without_agent(config);
    let mut inherited = Inherited::of_environment();
    let account = config.worker.account()?;
    let mut lineage = Lineage::begin(&mut inherited, &account)?;
    let (commands, queue) = mpsc::unbounded_channel();
    let mut opener = Opener {
        inherited: &mut inherited,
        lineage: &mut lineage,
    };
    let opened = opener.open(vec![(ListenerRole::Api, wanted::of_api(&config)?)])?;
    run::hand_over(opened.listeners, &commands)?;
    passwords::prepare(&config.api.password_dir, &account)?;
    let briefing = run::brief(config)?;
    let worker = Worker {
        account,
        briefing,
        commands,
        queue,
        late: opened.late,
    };
    supervise(worker, None, lineage).await?;
    Ok(())
}

/// Whether [`run`] could start, as far as files tell.
pub fn verify(config: Config) -> anyhow::Result<()> {
    let config = without_agent(config);
    let wanted = [wanted::of_api(&config)?];
    run::verify_with(config, &wanted)
}

/// Nobody is identified here, so no server is asked and none is reported to.
fn without_agent(mut config: Config) -> Config {
    config.api.embedded = true;
    config.agent.enabled = false;
    (config.messaging, config.keystone, config.ovn) = (None, None, None);
    config
}

/// `nova_metadata_host:nova_metadata_port`, where the API listens.
pub fn address(config: &Config) -> anyhow::Result<SocketAddr> {
    let (host, port) = (config.nova.host.as_str(), config.nova.port);
    let mut addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("nova_metadata_host: cannot find the address of `{host}`"))?;
    addresses
        .next()
        .with_context(|| format!("nova_metadata_host: `{host}` has no address"))
}
