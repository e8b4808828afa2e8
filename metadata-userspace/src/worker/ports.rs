//! Who knows the ports: the resolver that the configuration chose.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::ConnectionDesk;
use super::serve::WorkerError;
use crate::config::{Config, KeystoneConfig, MessagingConfig, ResolverKind};
use crate::dependencies::Dependencies;
use crate::inventory::Inventory;
use crate::resolver::directory::Directory;
use crate::resolver::identifier::Ports;
use crate::resolver::inventory::InventoryPorts;
use crate::resolver::neutron_rest::NeutronRest;
use crate::resolver::neutron_rpc::NeutronRpc;
use crate::resolver::ovn::{self, ovsdb::UnixSockets};
use crate::resolver::source::PortSource;
use crate::upstream::TlsFiles;

/// What resolvers are made of, beside the configuration.
pub(super) struct Means<'a> {
    pub(super) inventory: &'a Arc<ArcSwap<Inventory>>,
    pub(super) keystone_tls: TlsFiles,
    pub(super) ovn_tls: TlsFiles,
    pub(super) connections: &'a ConnectionDesk,
    pub(super) rabbit_tls: TlsFiles,
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
    let resolver = config.agent.resolver;
    let source: Arc<dyn PortSource> = match (resolver, &config.messaging, &config.keystone) {
        (ResolverKind::NeutronRpc, Some(messaging), _) => {
            Arc::new(neutron_rpc(config, messaging, &means)?)
        }
        (ResolverKind::NeutronRest, _, Some(keystone)) => {
            Arc::new(neutron_rest(keystone.clone(), means)?)
        }
        // The inventory; or another agent answers the proxies, and no section of the
        // configuration was read.
        _ => return Ok(Arc::new(InventoryPorts::new(means.inventory.clone()))),
    };
    let lifetime = config.agent.identity.lifetime;
    Ok(Arc::new(Directory::new(
        source,
        lifetime,
        Handle::current(),
    )))
}

fn neutron_rpc(
    config: &Config,
    messaging: &MessagingConfig,
    means: &Means<'_>,
) -> Result<NeutronRpc, WorkerError> {
    let (tls, runtime) = (&means.rabbit_tls, Handle::current());
    let neutron = NeutronRpc::start(config, messaging, tls, means.dependencies, &runtime);
    neutron.map_err(WorkerError::RabbitTls)
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
