//! Who knows the ports: the resolver that the configuration chose.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::ConnectionDesk;
use super::serve::WorkerError;
use crate::config::{Config, KeystoneConfig, ResolverKind};
use crate::dependencies::Dependencies;
use crate::inventory::Inventory;
use crate::resolver::directory::Directory;
use crate::resolver::identifier::Ports;
use crate::resolver::inventory::InventoryPorts;
use crate::resolver::neutron_rest::NeutronRest;
use crate::resolver::ovn::{self, ovsdb::UnixSockets};
use crate::upstream::TlsFiles;

/// What resolvers are made of, beside the configuration.
pub(super) struct Means<'a> {
    pub(super) inventory: &'a Arc<ArcSwap<Inventory>>,
    pub(super) keystone_tls: TlsFiles,
    pub(super) ovn_tls: TlsFiles,
    pub(super) connections: &'a ConnectionDesk,
    pub(super) dependencies: &'a Dependencies,
    pub(super) tasks: &'a TaskTracker,
    pub(super) drain: &'a CancellationToken,
}

/// Needs a tokio runtime, on which Neutron is asked.
pub(super) fn ports(config: &Config, means: Means<'_>) -> Result<Arc<dyn Ports>, WorkerError> {
    if let Some(ovn) = &config.ovn {
        let sockets: Arc<dyn UnixSockets> = Arc::new(means.connections.clone());
        return Ok(ovn::start(
            ovn,
            &means.ovn_tls,
            &sockets,
            means.dependencies,
        ));
    }
    match (config.agent.resolver, &config.keystone) {
        (ResolverKind::Inventory, _) => Ok(Arc::new(InventoryPorts::new(means.inventory.clone()))),
        (ResolverKind::NeutronRest, Some(keystone)) => {
            let lifetime = config.agent.identity.lifetime;
            let neutron = neutron_rest(keystone.clone(), means)?;
            let directory = Directory::new(Arc::new(neutron), lifetime, Handle::current());
            Ok(Arc::new(directory))
        }
        (kind, _) => Err(WorkerError::NoResolver(kind)),
    }
}

fn neutron_rest(config: KeystoneConfig, means: Means<'_>) -> Result<NeutronRest, WorkerError> {
    let neutron = NeutronRest::new(config, means.keystone_tls, means.dependencies);
    let neutron = neutron.map_err(WorkerError::KeystoneTls)?;
    let (watched, drain) = (neutron.clone(), means.drain.clone());
    means
        .tasks
        .spawn(async move { drain.run_until_cancelled(watched.watch()).await });
    Ok(neutron)
}
