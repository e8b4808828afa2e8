//! Asking Neutron's server over the message bus, as neutron-metadata-agent does:
//! RPC of oslo.messaging over RabbitMQ.

mod agent_state;
mod backoff;
mod client;
mod faults;
mod heartbeat;
mod keeper;
mod kit;
mod node;
mod patience;
mod pending;
mod ports;
mod queues;
pub(crate) mod reply;
mod request;
mod session;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::source::{PortQuery, PortSource};
use super::{Asking, ResolveError};
use crate::config::{Config, MessagingConfig};
use crate::dependencies::Dependencies;
use crate::identity::Port;
use crate::upstream::{TlsError, TlsFiles};
use agent_state::AgentState;
use client::Client;
use faults::CallError;
use keeper::{Keeper, Link};
use node::Nodes;
use patience::Patience;
use ports::NotPorts;
use request::Method;
use session::Declared;

pub use node::read_tls;

const NAME: &str = "neutron-rpc";

/// `MetadataRpcCallback` of neutron/api/rpc/handlers/metadata_rpc.py.
const GET_PORTS: Method = Method {
    topic: "q-plugin",
    name: "get_ports",
    version: "1.0",
};

/// Neutron's server, behind RabbitMQ. Connects by itself, and again.
pub struct NeutronRpc {
    client: Client,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl NeutronRpc {
    /// Starts on `runtime`: connecting, and reporting when that is wanted.
    ///
    /// # Errors
    /// When the TLS files are not what they should be.
    pub fn start(
        config: &Config,
        messaging: &MessagingConfig,
        tls: &TlsFiles,
        dependencies: &Dependencies,
        runtime: &Handle,
    ) -> Result<Self, TlsError> {
        let rabbitmq = dependencies.dependency("rabbitmq");
        let neutron = dependencies.dependency("neutron");
        let (link, watched) = watch::channel(Link::Beginning);
        let keeper = Keeper {
            nodes: Nodes::new(messaging, tls)?,
            declared: Declared {
                exchange: messaging.exchange.clone(),
                reply_queue: messaging.reply_queue.clone(),
            },
            reconnect: messaging.reconnect.clone(),
            link,
            rabbitmq: rabbitmq.clone(),
            neutron: neutron.clone(),
        };
        // A question that was lost must be asked again while guests still care.
        let first = messaging.patience.min(config.agent.identity.patience * 2);
        let patience = Patience::new(first, messaging.longest_patience);
        let client = Client::new(watched, patience, rabbitmq, neutron);
        let mut tasks = vec![AbortOnDropHandle::new(runtime.spawn(keeper.keep()))];
        let report = &messaging.report;
        if !report.interval.is_zero() {
            let state = AgentState::new(&report.host, report.log_heartbeats, config);
            let reporting = heartbeat::report(client.clone(), state, report.interval);
            tasks.push(AbortOnDropHandle::new(runtime.spawn(reporting)));
        }
        Ok(Self {
            client,
            _tasks: tasks,
        })
    }

    async fn get_ports<T>(
        &self,
        arguments: Value,
        read: impl Fn(Value) -> Result<T, NotPorts> + Send,
    ) -> Result<T, ResolveError> {
        let method = GET_PORTS.name;
        let result = self.client.call(GET_PORTS, arguments).await;
        let read = result
            .and_then(|result| read(result).map_err(|error| CallError::NotPorts { method, error }));
        match &read {
            Ok(_) => self.client.neutron().up(),
            Err(error @ CallError::NotPorts { .. }) => self.client.neutron().down(error),
            Err(_) => {}
        }
        read.map_err(|error| ResolveError {
            source_name: NAME,
            reason: error.to_string(),
        })
    }
}

impl PortSource for NeutronRpc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router_networks<'a>(&'a self, router: &'a str) -> Asking<'a, Vec<String>> {
        Box::pin(self.get_ports(ports::of_router(router), ports::networks))
    }

    fn ports<'a>(&'a self, query: &'a PortQuery) -> Asking<'a, Vec<Port>> {
        Box::pin(self.get_ports(ports::of_networks(query), ports::ports))
    }
}
