//! One namespace: bringing it to what it should be, and leaving it.

mod view;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nix::libc;

use super::handshakes::Handshakes;
use super::keepers::Hold;
use super::left::LeftSockets;
use super::listener;
use super::monitor::{Monitor, MonitorError, Watching};
use super::observed::{Attached, Interfaces, ObservedInterface};
use super::plan::{Door, Standing};
use super::registry::Room;
use super::retiring::Retiring;
use super::role::{Role, Selection};
use super::settle::Settling;
use crate::config::DatapathConfig;
use crate::datapath::{Datapath, DatapathError, remove_from_namespace};
use crate::netlink::{NamespaceSocket, NetlinkError};
use crate::netns::{Netns, NetnsError, NetnsId};

/// Between the end of a namespace's connections and that of its datapath.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is the same for all namespaces.
pub struct Settings {
    pub config: DatapathConfig,
    pub datapath: Datapath,
    /// Interfaces whose driver is to run the guard.
    pub guarded: Selection,
    pub backlog: u32,
    /// Of the daemon before this one.
    pub left: LeftSockets,
    pub room: Room,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
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

impl ServeError {
    /// Whether the same may be done later, although nothing changes that we would hear
    /// of: memory or descriptors had run out.
    pub(super) fn may_pass(&self) -> bool {
        let errno = match self {
            Self::Netlink(error) if error.is_silence() => return true,
            Self::Netlink(error) => error.errno(),
            Self::Listen { source, .. } => source.raw_os_error(),
            Self::Netns(_) | Self::Datapath(_) => None,
        };
        matches!(
            errno,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EAGAIN)
        )
    }
}

/// A namespace that is served, or was tried to.
pub struct ServedNamespace {
    name: Rc<str>,
    role: Role,
    hold: Hold,
    netns: Netns,
    /// Nothing while all namespaces are looked at for the first time.
    watching: Option<Watching>,
    standing: Standing,
    /// Behind which guests are, by index. A map of one interface takes a KiB.
    interfaces: Box<[(u32, ObservedInterface)]>,
    /// Why IPv6 is not served, by interface.
    ipv6_problems: BTreeMap<u32, String>,
    /// Why a driver does not run the guard, by interface.
    guard_problems: BTreeMap<u32, String>,
    /// One of those may pass.
    is_short: bool,
    open: Box<[Door]>,
    handshakes: Handshakes,
    problem: Option<String>,
    was_reported: bool,
}

impl ServedNamespace {
    /// A namespace that nobody has looked at yet.
    pub fn new(name: Rc<str>, role: Role, netns: Netns) -> Self {
        Self {
            name,
            role,
            hold: Hold::Watch,
            netns,
            watching: None,
            standing: Standing::WithoutAddress,
            interfaces: Box::default(),
            ipv6_problems: BTreeMap::new(),
            guard_problems: BTreeMap::new(),
            is_short: false,
            open: Box::default(),
            handshakes: Handshakes::default(),
            problem: None,
            was_reported: false,
        }
    }

    pub fn id(&self) -> NetnsId {
        self.netns.id()
    }

    pub fn name(&self) -> Rc<str> {
        self.name.clone()
    }

    /// Tells it from all that come after it.
    pub fn cookie(&self) -> Result<u64, NetnsError> {
        self.netns.cookie()
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it has to be tried again.
    pub fn has_problem(&self) -> bool {
        self.problem.is_some() || self.is_short
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
    pub fn rename(&mut self, name: Rc<str>) {
        if let Some(watching) = &self.watching {
            watching.rename(name.clone());
        }
        self.name = name;
    }

    /// Is kept by one of its sockets from now on.
    pub fn keep_by(&mut self, socket: Rc<OwnedFd>) {
        self.netns.keep_by(socket);
    }

    /// The socket that it was kept by is about to close.
    pub fn keep_by_itself(&mut self) {
        if let Err(error) = self.netns.keep_by_itself() {
            tracing::warn!(namespace = &*self.name, %error, "keeps a socket longer than it is used");
        }
    }

    /// Brings the namespace to what it should be. A failure is kept for [`Self::state`] and is logged once.
    pub fn reconcile(
        &mut self,
        settings: &mut Settings,
        retiring: &mut Retiring,
        monitor: &Rc<Monitor>,
    ) -> Reconciled {
        if let Err(error) = self.watch(monitor) {
            self.report_problem(format!("cannot watch the namespace: {error}"));
            return Reconciled::default();
        }
        let mut work = Settling {
            role: &self.role,
            hold: self.hold,
            namespace: self.netns.id(),
            settings,
            open: self.open.iter().copied().collect(),
            reconciled: Reconciled::default(),
            retiring,
            handshakes: &mut self.handshakes,
            ipv6_problems: BTreeMap::new(),
            guard_problems: BTreeMap::new(),
            is_short: false,
        };
        let done = self.netns.run(|| work.settle());
        let Settling {
            open,
            mut reconciled,
            ipv6_problems,
            guard_problems,
            is_short,
            ..
        } = work;
        self.open = open.into_iter().collect();
        self.is_short = is_short;
        self.report_ipv6(ipv6_problems);
        self.report_guard(guard_problems);
        match done.map_err(ServeError::from).flatten() {
            Ok((standing, interfaces)) => {
                self.report_success(standing, &interfaces);
                self.standing = standing;
                reconciled.interfaces_changed = !self.has_tenants(&interfaces);
                self.interfaces = interfaces.into_iter().collect();
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
            Ok(()) => tracing::info!(namespace = &*self.name, inode = self.id().inode, "left"),
            Err(error) => {
                tracing::warn!(namespace = &*self.name, %error, "left, but not all could be taken away")
            }
        }
    }

    /// Hears from now on what happens in it. Before all namespaces are looked at for the
    /// first time nobody hears anything, and each is looked at once more afterwards.
    fn watch(&mut self, monitor: &Rc<Monitor>) -> Result<(), MonitorError> {
        if self.watching.is_none() && monitor.hears() {
            self.watching = Some(monitor.watch(&self.netns, self.name.clone())?);
        }
        Ok(())
    }

    fn tenants(&self) -> impl Iterator<Item = (u32, &ObservedInterface)> {
        let all = self.interfaces.iter();
        let tenants = all.filter(|(_, one)| self.role.is_tenant_interface(&one.name));
        tenants.map(|(index, one)| (*index, one))
    }

    /// Whether guests are behind just these, by index and name.
    fn has_tenants(&self, interfaces: &Interfaces) -> bool {
        let known = self.tenants().map(|(index, one)| (index, &one.name));
        known.eq(interfaces.iter().map(|(&index, one)| (index, &one.name)))
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
            tracing::info!(namespace = &*self.name, inode, "{what}");
        }
        for (index, interface) in interfaces {
            let mut known = self.interfaces.iter();
            let before = known
                .find(|(known, _)| known == index)
                .map_or(Attached::Nothing, |(_, before)| before.attached);
            if interface.attached == Attached::Current && before != Attached::Current {
                tracing::info!(
                    namespace = &*self.name,
                    interface = interface.name,
                    "steering"
                );
            }
        }
    }

    fn report_problem(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            tracing::error!(
                namespace = &*self.name,
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
                    namespace = &*self.name,
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
                    namespace = &*self.name,
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
    /// Proxy sockets that it has now and had not before.
    pub opened: Vec<Opened>,
    /// Those that are to take no more connections.
    pub closed: Vec<Door>,
    /// The router has other networks than before.
    pub interfaces_changed: bool,
    /// After so long, though nothing changes.
    pub look_again: Option<Duration>,
}

/// A proxy socket.
#[derive(Debug)]
pub struct Opened {
    pub door: Door,
    pub socket: OwnedFd,
    /// The daemon before this one opened it.
    pub was_left: bool,
}

fn clear(config: &DatapathConfig) -> Result<(), ServeError> {
    let netlink = NamespaceSocket::open()?;
    Ok(remove_from_namespace(config, &netlink)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_run_out_is_tried_again_and_ipv6_that_is_off_is_not() {
        let listen = |errno| ServeError::Listen {
            door: Door::Ipv6(2),
            port: 9697,
            source: io::Error::from_raw_os_error(errno),
        };
        let refused = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            ServeError::Netlink(NetlinkError::Refused(source))
        };
        assert!(listen(libc::EMFILE).may_pass() && refused(libc::ENOBUFS).may_pass());
        let is_off = ServeError::Netlink(NetlinkError::Ipv6Off);
        assert!(!listen(libc::EADDRNOTAVAIL).may_pass() && !is_off.may_pass());
    }
}
