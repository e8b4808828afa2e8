//! One namespace: bringing it to what it should be, and leaving it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use super::answerer;
use super::handshakes::Handshakes;
use super::keepers::Hold;
use super::listener;
use super::monitor::{Monitor, MonitorError, Watching};
use super::observed::{Attached, Interfaces, ObservedInterface};
use super::plan::{Door, Standing};
use super::registry::Room;
use super::role::{Role, Selection};
use super::settle::Settling;
use crate::config::DatapathConfig;
use crate::datapath::{Datapath, DatapathError, XdpSlot, remove_from_namespace};
use crate::netlink::{NamespaceSocket, NetlinkError};
use crate::netns::{Netns, NetnsError, NetnsId};
use crate::status::{
    Answerer, GuardState, InterfaceState, Ipv6State, NamespaceState, ServingState,
};

/// Between the end of a namespace's connections and that of its datapath.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is the same for all namespaces.
pub struct Settings {
    pub config: DatapathConfig,
    pub datapath: Datapath,
    /// Interfaces whose driver is to run the guard.
    pub guarded: Selection,
    pub backlog: u32,
    pub room: Room,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error("cannot watch the namespace: {0}")]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    #[error(
        "cannot listen on {address}: {source}; if another program has the port, stop it or let it share (SO_REUSEPORT)",
        address = listener::address(*door, *port)
    )]
    Listen {
        door: Door,
        port: u16,
        source: io::Error,
    },
}

/// A namespace that is served, or was tried to.
pub struct ServedNamespace {
    name: String,
    role: Role,
    hold: Hold,
    netns: Netns,
    watching: Watching,
    standing: Standing,
    interfaces: Interfaces,
    /// Why IPv6 is not served, by interface.
    ipv6_problems: BTreeMap<u32, String>,
    /// Why a driver does not run the guard, by interface.
    guard_problems: BTreeMap<u32, String>,
    open: BTreeSet<Door>,
    handshakes: Handshakes,
    problem: Option<String>,
    was_reported: bool,
}

impl ServedNamespace {
    /// Starts to watch a namespace.
    pub fn watch(
        name: String,
        role: Role,
        netns: Netns,
        monitor: &Rc<Monitor>,
    ) -> Result<Self, ServeError> {
        let watching = monitor.watch(&netns, name.clone())?;
        Ok(Self {
            name,
            role,
            hold: Hold::Watch,
            netns,
            watching,
            standing: Standing::WithoutAddress,
            interfaces: Interfaces::new(),
            ipv6_problems: BTreeMap::new(),
            guard_problems: BTreeMap::new(),
            open: BTreeSet::new(),
            handshakes: Handshakes::default(),
            problem: None,
            was_reported: false,
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

    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Who decides from now on whether it is served, and whose it is then.
    pub fn hold(&mut self, hold: Hold, role: Option<Role>) {
        self.hold = hold;
        self.role = role.unwrap_or_else(|| self.role.clone());
    }

    /// Gives it another name: its own was given to another namespace, or it got one.
    pub fn rename(&mut self, name: String) {
        self.watching.rename(name.clone());
        self.name = name;
    }

    /// Brings the namespace to what it should be. A failure is kept for [`Self::state`] and is logged once.
    pub fn reconcile(&mut self, settings: &mut Settings) -> Reconciled {
        let before = self.tenant_interfaces();
        let mut work = Settling {
            role: &self.role,
            hold: self.hold,
            namespace: self.netns.id().inode,
            settings,
            open: self.open.clone(),
            reconciled: Reconciled::default(),
            handshakes: &mut self.handshakes,
            ipv6_problems: BTreeMap::new(),
            guard_problems: BTreeMap::new(),
        };
        let done = self.netns.run(|| work.settle());
        let Settling {
            open,
            mut reconciled,
            ipv6_problems,
            guard_problems,
            ..
        } = work;
        self.open = open;
        self.report_ipv6(ipv6_problems);
        self.report_guard(guard_problems);
        match done.map_err(ServeError::from).flatten() {
            Ok((standing, interfaces)) => {
                self.report_success(standing, &interfaces);
                self.standing = standing;
                self.interfaces = interfaces;
                reconciled.interfaces_changed = before != self.tenant_interfaces();
            }
            Err(error) => self.report_problem(error.to_string()),
        }
        reconciled
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

    /// What operators see. Looks who else listens where we do not.
    pub fn state(&self, proxy_port: u16) -> NamespaceState {
        NamespaceState {
            name: self.name.clone(),
            kind: self.role.kind,
            realm: self.role.realm.clone(),
            inode: self.id().inode,
            state: match (&self.problem, self.standing) {
                (Some(_), _) => ServingState::Failed,
                (None, Standing::Wanted) => ServingState::Serving,
                (None, Standing::Standby) => ServingState::Standby,
                (None, Standing::WithoutAddress) => ServingState::Idle,
                (None, Standing::Released) => ServingState::Released,
            },
            answers: self.answerer(proxy_port),
            shims: Vec::new(),
            problem: self.problem.clone(),
            interfaces: self
                .tenants()
                .map(|(&index, interface)| self.interface_state(index, interface))
                .collect(),
        }
    }

    fn answerer(&self, proxy_port: u16) -> Answerer {
        let steered = self
            .tenants()
            .any(|(_, interface)| interface.attached == Attached::Current);
        if steered && self.open.contains(&Door::Ipv4) {
            return Answerer::Metadatad;
        }
        let interfaces = self.tenants().map(|(&index, _)| index);
        match self
            .netns
            .run(|| answerer::of_namespace(proxy_port, interfaces))
        {
            Ok(answerer) => answerer,
            Err(_) => Answerer::Nobody,
        }
    }

    fn interface_state(&self, index: u32, interface: &ObservedInterface) -> InterfaceState {
        InterfaceState {
            name: interface.name.clone(),
            index,
            steered: interface.attached == Attached::Current,
            ipv6: match self.ipv6_problems.get(&index) {
                Some(problem) => Ipv6State::Unavailable(problem.clone()),
                None if self.open.contains(&Door::Ipv6(index)) => Ipv6State::Listening,
                None => Ipv6State::Waiting,
            },
            guard: match (self.guard_problems.get(&index), &interface.xdp) {
                (Some(problem), _) => GuardState::Unavailable(problem.clone()),
                (None, XdpSlot::Guard { .. }) => GuardState::On,
                (None, XdpSlot::Free | XdpSlot::Foreign(_)) => GuardState::Off,
            },
            foreign: match &interface.xdp {
                XdpSlot::Foreign(program) => {
                    [std::slice::from_ref(program), &*interface.foreign].concat()
                }
                XdpSlot::Free | XdpSlot::Guard { .. } => interface.foreign.clone(),
            },
        }
    }

    fn tenants(&self) -> impl Iterator<Item = (&u32, &ObservedInterface)> {
        let interfaces = self.interfaces.iter();
        interfaces.filter(|(_, interface)| self.role.is_tenant_interface(&interface.name))
    }

    /// By name and index.
    fn tenant_interfaces(&self) -> BTreeSet<(String, u32)> {
        let tenants = self.tenants();
        tenants
            .map(|(index, interface)| (interface.name.clone(), *index))
            .collect()
    }

    fn report_success(&mut self, standing: Standing, interfaces: &Interfaces) {
        let recovered = self.problem.take().is_some();
        if !self.was_reported || recovered || standing != self.standing {
            self.was_reported = true;
            let inode = self.id().inode;
            let what = match standing {
                Standing::Wanted => "serving",
                Standing::Standby => "not serving: the router's primary is on another host",
                Standing::WithoutAddress => "not serving: the agent put no metadata address there",
                Standing::Released => "not serving: the agent ended its proxy",
            };
            tracing::info!(namespace = self.name, inode, "{what}");
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

    fn report_ipv6(&mut self, problems: BTreeMap<u32, String>) {
        for (index, problem) in &problems {
            if self.ipv6_problems.get(index) != Some(problem) {
                tracing::warn!(
                    namespace = self.name,
                    interface = index,
                    problem,
                    "served by IPv4 only"
                );
            }
        }
        self.ipv6_problems = problems;
    }

    fn report_guard(&mut self, problems: BTreeMap<u32, String>) {
        for (index, problem) in &problems {
            if self.guard_problems.get(index) != Some(problem) {
                tracing::warn!(
                    namespace = self.name,
                    interface = index,
                    problem,
                    "no XDP guard, though xdp_guard names the interface"
                );
            }
        }
        self.guard_problems = problems;
    }
}

/// What came of bringing a namespace to what it should be.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Proxy sockets that this opened.
    pub opened: Vec<(Door, OwnedFd)>,
    /// Those that are to take no more connections.
    pub closed: Vec<Door>,
    /// The router has other networks than before.
    pub interfaces_changed: bool,
    /// After so long, though nothing changes.
    pub look_again: Option<Duration>,
}

fn clear(config: &DatapathConfig) -> Result<(), ServeError> {
    let netlink = NamespaceSocket::open()?;
    Ok(remove_from_namespace(config, &netlink)?)
}
