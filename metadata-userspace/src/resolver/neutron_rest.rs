//! Neutron's ports by its public API, for hosts that have no message bus.

mod catalog;
mod error;
mod keystone;
mod ports;
mod query;
mod session;
mod site;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::source::{PortQuery, PortSource};
use super::{Asking, ResolveError};
use crate::config::KeystoneConfig;
use crate::dependencies::{Dependencies, Dependency};
use crate::identity::Port;
use crate::upstream::{OptionNames, TlsError, TlsFiles, TlsPaths};

use error::{Cause, RestError, Service};
use ports::{Listed, Page};
use session::{Access, Session};
use site::Ask;

/// Pages of one list; more would be a server that goes round in circles.
const MOST_PAGES: usize = 1000;

/// While Neutron or Keystone is down, and no guest asks, how often to see
/// whether it is up again.
const PROBE_EVERY: Duration = Duration::from_secs(5);

const NAME: &str = "neutron-rest";

static KEYSTONE: OptionNames = options("[neutron] auth_url");
static NEUTRON: OptionNames =
    options("Neutron's endpoint in Keystone's catalog, or [neutron] endpoint_override");

const fn options(place: &'static str) -> OptionNames {
    OptionNames {
        host: place,
        protocol: place,
        ca: "[neutron] cafile",
        insecure: Some("[neutron] insecure"),
        cert: "[neutron] certfile",
        key: "[neutron] keyfile",
    }
}

/// Reads the files that `[neutron]` names, in the process that may.
pub fn read_tls(config: &KeystoneConfig) -> Result<TlsFiles, TlsError> {
    let paths = TlsPaths {
        // As in keystoneauth, insecure wins over cafile.
        ca: config.ca_cert.as_deref().filter(|_| !config.insecure),
        client: config
            .client_identity
            .as_ref()
            .map(|pair| (pair.cert.as_path(), pair.key.as_path())),
    };
    TlsFiles::read(&paths, &KEYSTONE)
}

/// A client of Keystone and Neutron. Clones share a login.
#[derive(Clone)]
pub struct NeutronRest {
    session: Arc<Session>,
    neutron: Dependency,
}

impl NeutronRest {
    pub fn new(
        config: KeystoneConfig,
        files: TlsFiles,
        dependencies: &Dependencies,
    ) -> Result<Self, TlsError> {
        let keystone = dependencies.dependency("keystone");
        Ok(Self {
            session: Arc::new(Session::new(config, files, keystone)?),
            neutron: dependencies.dependency("neutron"),
        })
    }

    /// Logs in at once, so that operators hear of a fault before a guest does, and
    /// keeps looking while there is one. Runs for ever.
    pub async fn watch(&self) {
        loop {
            if self.neutron.is_up() != Some(true) || self.session.is_down() {
                // What it came to is in the dependencies' state.
                let _ = self.probe().await;
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }

    async fn probe(&self) -> Result<(), RestError> {
        let mut access = self.access().await?;
        self.page(&mut access, query::PROBE).await.map(drop)
    }

    async fn access(&self) -> Result<Arc<Access>, RestError> {
        self.session.access().await.inspect_err(|error| {
            if error.service == Service::Neutron {
                self.neutron.down(error);
            }
        })
    }

    async fn list(&self, query: &str) -> Result<Vec<Listed>, RestError> {
        let mut access = self.access().await?;
        let (mut ports, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let target = query::page(query, marker.as_deref());
            let page = self.page(&mut access, &target).await?;
            ports.extend(page.ports);
            match page.next {
                None => return Ok(ports),
                next => marker = next,
            }
        }
        Err(self.failed(Cause::garbage("the list has no end"), &access))
    }

    /// A token that Neutron refuses may have been revoked; there is one more try
    /// with a new one.
    async fn page(&self, access: &mut Arc<Access>, target: &str) -> Result<Page, RestError> {
        let mut answer = self.ask(access, target).await?;
        if answer.status == StatusCode::UNAUTHORIZED && access.token.is_some() {
            self.session.discard(access).await;
            *access = self.access().await?;
            answer = self.ask(access, target).await?;
        }
        let page = ports::page(&answer).map_err(|cause| self.failed(cause, access))?;
        self.neutron.up();
        Ok(page)
    }

    async fn ask(&self, access: &Access, target: &str) -> Result<site::Answer, RestError> {
        let ask = Ask {
            method: Method::GET,
            target,
            token: access.token.as_ref(),
            body: Bytes::new(),
        };
        let answer = access.neutron.send(&ask).await;
        answer.map_err(|cause| self.failed(cause, access))
    }

    fn failed(&self, cause: Cause, access: &Access) -> RestError {
        let error = cause.of(Service::Neutron, access.neutron.url());
        self.neutron.down(&error);
        error
    }
}

impl PortSource for NeutronRest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router_networks<'a>(&'a self, router: &'a str) -> Asking<'a, Vec<String>> {
        Box::pin(async move {
            let interfaces = self.list(&query::interfaces_of(router)).await?;
            let mut networks: Vec<_> = interfaces.into_iter().map(|port| port.network_id).collect();
            networks.sort_unstable();
            networks.dedup();
            Ok(networks)
        })
    }

    fn ports<'a>(&'a self, query: &'a PortQuery) -> Asking<'a, Vec<Port>> {
        Box::pin(async move {
            let mut ports = Vec::new();
            for query in query::ports(query) {
                ports.extend(self.list(&query).await?.into_iter().map(Port::from));
            }
            Ok(ports)
        })
    }
}

impl From<RestError> for ResolveError {
    fn from(error: RestError) -> Self {
        Self {
            source_name: NAME,
            reason: error.to_string(),
        }
    }
}
