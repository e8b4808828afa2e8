//! One namespace: bringing it to what it should be, and leaving it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::listener;
use super::monitor::Monitor;
use super::plan::{Attached, ObservedInterface, Step, interface_steps};
use super::role::Role;
use crate::config::DatapathConfig;
use crate::datapath::{AttachState, Datapath, DatapathError, ensure_route, remove_from_namespace};
use crate::netlink::{NamespaceSocket, NetlinkError};
use crate::netns::{Netns, NetnsError, NetnsId};
use crate::status::{InterfaceState, NamespaceState, ServingState};

/// Between the end of a namespace's connections and that of its datapath.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is the same for all namespaces.
pub struct Settings {
    pub config: DatapathConfig,
    pub datapath: Datapath,
    pub backlog: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error("cannot watch the namespace: {0}")]
    Monitor(io::Error),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    #[error(
        "cannot listen on {address}:{port}: {source}; if another program has the port, stop it or let it share (SO_REUSEPORT)",
        address = listener::METADATA_IPV4
    )]
    Listen { port: u16, source: io::Error },
}

/// A namespace that is served, or was tried to.
pub struct ServedNamespace {
    name: String,
    role: Role,
    netns: Netns,
    monitor: Rc<Monitor>,
    monitoring: AbortHandle,
    interfaces: BTreeMap<u32, ObservedInterface>,
    problem: Option<String>,
    listening: bool,
}

impl ServedNamespace {
    /// Starts to watch a namespace. Its name goes to `changes` when something
    /// happens inside. Needs tokio's local task set.
    pub fn watch(
        name: String,
        role: Role,
        netns: Netns,
        changes: mpsc::UnboundedSender<String>,
    ) -> Result<Self, ServeError> {
        let socket = netns.run(Monitor::open)?.map_err(ServeError::Monitor)?;
        let monitor = Rc::new(Monitor::new(socket).map_err(ServeError::Monitor)?);
        let monitoring =
            tokio::task::spawn_local(report_changes(monitor.clone(), name.clone(), changes));
        Ok(Self {
            name,
            role,
            netns,
            monitor,
            monitoring: monitoring.abort_handle(),
            interfaces: BTreeMap::new(),
            problem: None,
            listening: false,
        })
    }

    pub fn id(&self) -> NetnsId {
        self.netns.id()
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    pub fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// Brings the namespace to what it should be. A failure is kept for [`Self::state`] and is logged once.
    pub fn reconcile(&mut self, settings: &mut Settings) -> Reconciled {
        self.monitor.drain();
        let listening = self.listening;
        let done = self.netns.run(|| settle(&self.role, settings, listening));
        match done.map_err(ServeError::from).flatten() {
            Ok(settled) => {
                self.report_success(&settled.interfaces);
                let before = self.tenant_interfaces();
                self.interfaces = settled.interfaces;
                self.listening = true;
                Reconciled {
                    opened: settled.opened,
                    interfaces_changed: before != self.tenant_interfaces(),
                }
            }
            Err(error) => {
                self.report_problem(error.to_string());
                Reconciled::default()
            }
        }
    }

    /// Takes everything of ours out of the namespace, in case that it lives on
    /// without its name because a process is in it. The worker is told first:
    /// the ends of its connections still have to find their way.
    pub async fn leave(self, config: DatapathConfig) {
        tokio::time::sleep(LAST_WORDS).await;
        let left = self.netns.run(|| clear(&config));
        match left.map_err(ServeError::from).flatten() {
            Ok(()) => tracing::info!(namespace = self.name, inode = self.id().inode, "left"),
            Err(error) => {
                tracing::warn!(namespace = self.name, %error, "left, but not all could be taken away")
            }
        }
    }

    pub fn state(&self) -> NamespaceState {
        let interfaces = self
            .interfaces
            .iter()
            .filter(|(_, interface)| self.role.is_tenant_interface(&interface.name));
        NamespaceState {
            name: self.name.clone(),
            realm: self.role.realm.clone(),
            inode: self.id().inode,
            state: if self.problem.is_none() {
                ServingState::Serving
            } else {
                ServingState::Failed
            },
            problem: self.problem.clone(),
            interfaces: interfaces
                .map(|(&index, interface)| InterfaceState {
                    name: interface.name.clone(),
                    index,
                    steered: interface.attached == Attached::Current,
                })
                .collect(),
        }
    }

    /// By name and index.
    fn tenant_interfaces(&self) -> BTreeSet<(String, u32)> {
        let interfaces = self.interfaces.iter();
        interfaces
            .filter(|(_, interface)| self.role.is_tenant_interface(&interface.name))
            .map(|(index, interface)| (interface.name.clone(), *index))
            .collect()
    }

    fn report_success(&mut self, interfaces: &BTreeMap<u32, ObservedInterface>) {
        if !self.listening || self.problem.take().is_some() {
            tracing::info!(namespace = self.name, inode = self.id().inode, "serving");
        }
        for (index, interface) in interfaces {
            let before = self
                .interfaces
                .get(index)
                .map_or(Attached::Nothing, |before| before.attached);
            if interface.attached == Attached::Current && before != Attached::Current {
                tracing::info!(
                    namespace = self.name,
                    interface = interface.name,
                    "steering"
                );
            }
        }
    }

    fn report_problem(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            tracing::error!(
                namespace = self.name,
                problem,
                "cannot be served; trying again"
            );
        }
        self.problem = Some(problem);
    }
}

/// What came of bringing a namespace to what it should be.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Its proxy socket, when this opened it.
    pub opened: Option<OwnedFd>,
    /// The router has other networks than before.
    pub interfaces_changed: bool,
}

impl Drop for ServedNamespace {
    fn drop(&mut self) {
        self.monitoring.abort();
    }
}

async fn report_changes(
    monitor: Rc<Monitor>,
    name: String,
    changes: mpsc::UnboundedSender<String>,
) {
    while monitor.changed().await.is_ok() && changes.send(name.clone()).is_ok() {}
}

/// What [`settle`] did.
struct Settled {
    interfaces: BTreeMap<u32, ObservedInterface>,
    opened: Option<OwnedFd>,
}

/// Runs inside the namespace. Address, then socket, then filters: a request is
/// never steered to where nothing listens.
fn settle(role: &Role, settings: &mut Settings, listening: bool) -> Result<Settled, ServeError> {
    let netlink = NamespaceSocket::open()?;
    ensure_route(&netlink)?;
    let opened = if listening {
        None
    } else {
        Some(open_listener(settings)?)
    };
    let mut interfaces = observe(role, settings, &netlink)?;
    for step in interface_steps(&interfaces, |name| role.is_tenant_interface(name)) {
        let (index, done) = match step {
            Step::Attach(index) => (index, settings.datapath.attach(&netlink, index)),
            Step::Detach(index) => (index, settings.datapath.detach(&netlink, index)),
        };
        match (done, interfaces.get_mut(&index)) {
            (Ok(()), Some(interface)) => interface.attached = step.leads_to(),
            // Interfaces come and go at any time; the going is announced too.
            (Err(_), _) if !is_there(&netlink, index)? => drop(interfaces.remove(&index)),
            (done, _) => done?,
        }
    }
    Ok(Settled { interfaces, opened })
}

fn is_there(netlink: &NamespaceSocket, index: u32) -> Result<bool, ServeError> {
    Ok(netlink.links()?.iter().any(|link| link.index == index))
}

fn open_listener(settings: &Settings) -> Result<OwnedFd, ServeError> {
    let port = settings.config.proxy_port;
    listener::open(port, settings.backlog).map_err(|source| ServeError::Listen { port, source })
}

fn observe(
    role: &Role,
    settings: &Settings,
    netlink: &NamespaceSocket,
) -> Result<BTreeMap<u32, ObservedInterface>, ServeError> {
    let mut interfaces = BTreeMap::new();
    for link in netlink.links()? {
        let attached = judge(settings.datapath.attached(netlink, link.index)?);
        if role.is_tenant_interface(&link.name) || attached != Attached::Nothing {
            interfaces.insert(
                link.index,
                ObservedInterface {
                    name: link.name,
                    attached,
                },
            );
        }
    }
    Ok(interfaces)
}

fn judge(state: AttachState) -> Attached {
    if state.is_complete() {
        Attached::Current
    } else if state == AttachState::default() {
        Attached::Nothing
    } else {
        Attached::Outdated
    }
}

fn clear(config: &DatapathConfig) -> Result<(), ServeError> {
    let netlink = NamespaceSocket::open()?;
    Ok(remove_from_namespace(config, &netlink)?)
}
