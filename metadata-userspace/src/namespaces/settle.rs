//! Carries out what the plan says, inside a namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use super::answerer;
use super::handshakes::{self, Handshakes};
use super::keepers::Hold;
use super::listener;
use super::observed::{Attached, Interfaces, Ipv6Address, Observed, observe};
use super::plan::{Door, Standing, Step, guard_steps, held, is_left, lingers, steps};
use super::retiring::Retiring;
use super::role::Role;
use super::served::{Opened, Reconciled, ServeError, Settings};
use crate::datapath::{
    XdpSlot, add_address, ensure_route, remove_address, remove_route, remove_way_to_guests,
};
use crate::netlink::{Link, NamespaceSocket, NetlinkError};
use crate::netns::NetnsId;
use crate::status::Answerer;
use crate::supervisor::inherited::end_listening;

/// One pass over one namespace.
pub(super) struct Settling<'a> {
    pub(super) role: &'a Role,
    pub(super) hold: Hold,
    pub(super) namespace: NetnsId,
    pub(super) settings: &'a mut Settings,
    /// Where it listens; kept up to date.
    pub(super) open: BTreeSet<Door>,
    pub(super) reconciled: Reconciled,
    pub(super) retiring: &'a mut Retiring,
    pub(super) handshakes: &'a mut Handshakes,
    /// Interfaces that are served by IPv4 only, and why.
    pub(super) ipv6_problems: BTreeMap<u32, String>,
    /// Interfaces whose driver does not run the guard though it is wanted, and why.
    pub(super) guard_problems: BTreeMap<u32, String>,
    /// One of those may pass.
    pub(super) is_short: bool,
}

impl Settling<'_> {
    /// Brings the namespace, in which the calling thread is, to what it should be.
    /// Returns its standing and the interfaces that concern us.
    pub(super) fn settle(&mut self) -> Result<(Standing, Interfaces), ServeError> {
        let netlink = NamespaceSocket::open_in(self.namespace.inode)?;
        let Observed {
            mut interfaces,
            gone,
        } = observe(&netlink, &self.settings.datapath, self.role)?;
        for index in gone {
            self.settings.datapath.forget_links(&netlink, index)?;
        }
        let standing = held(self.hold, self.role, &interfaces);
        self.handshakes
            .keep_only(|index| interfaces.contains_key(&index));
        let is_reached = interfaces.values().any(|one| one.has_metadata_address);
        if standing == Standing::Wanted && !is_reached {
            ensure_route(&netlink)?;
        }
        let mut steps = steps(self.role, standing, &interfaces, &self.open);
        let guarded = &self.settings.guarded;
        steps.extend(guard_steps(self.role, standing, &interfaces, guarded));
        // Whatever else has us look meanwhile.
        let are_connections_ending = lingers(standing) && self.retiring.are_open();
        if are_connections_ending {
            steps.retain(|step| matches!(step, Step::Close(_)));
        }
        for step in steps {
            if let Err(error) = self.take(step, &netlink, &mut interfaces) {
                self.judge(error, step, &netlink, &mut interfaces)?;
            }
        }
        if !are_connections_ending && is_left(standing, &self.open, &self.reconciled.closed) {
            remove_route(&netlink)?;
        }
        let role = self.role;
        interfaces.retain(|_, interface| role.is_tenant_interface(&interface.name));
        Ok((standing, interfaces))
    }

    fn take(
        &mut self,
        step: Step,
        netlink: &NamespaceSocket,
        interfaces: &mut Interfaces,
    ) -> Result<(), ServeError> {
        match step {
            Step::AddAddress(index) => add_address(netlink, index)?,
            Step::ReplaceAddress(index) => {
                remove_address(netlink, index)?;
                add_address(netlink, index)?;
            }
            Step::RemoveAddress(index) => remove_address(netlink, index)?,
            Step::Listen(Door::Ipv6(index)) if self.ipv6_problems.contains_key(&index) => {}
            Step::Listen(door) => self.listen(door)?,
            Step::Close(door) => {
                self.open.remove(&door);
                self.reconciled.closed.push(door);
            }
            Step::Attach(index) if self.has_to_wait(netlink, index, interfaces)? => {
                self.reconciled.look_again = Some(handshakes::REPEATED);
                return Ok(());
            }
            Step::Attach(index) => self.settings.datapath.attach(netlink, index)?,
            Step::Detach(index) => {
                // Whoever flushed our address left it.
                remove_way_to_guests(netlink, index)?;
                self.settings.datapath.detach(netlink, index)?;
            }
            Step::Guard(index) => {
                if let Some(link) = link(netlink, index)? {
                    self.settings.datapath.guard(netlink, &link)?;
                }
            }
            Step::Unguard(index) => {
                if let Some(link) = link(netlink, index)? {
                    self.settings.datapath.unguard(netlink, &link)?;
                }
            }
        }
        note(step, interfaces);
        Ok(())
    }

    /// Whether handshakes of somebody else's proxy come first.
    fn has_to_wait(
        &mut self,
        netlink: &NamespaceSocket,
        index: u32,
        interfaces: &Interfaces,
    ) -> Result<bool, ServeError> {
        let interface = interfaces.get(&index);
        let is_first = interface.is_some_and(|interface| interface.attached == Attached::Nothing);
        let is_prepared = self.handshakes.are_repeated(index);
        // Behind an interface that came to a router which we serve, nobody was served yet.
        let are_we_there = interfaces
            .values()
            .any(|interface| interface.attached == Attached::Current);
        let port = self.settings.config.proxy_port;
        if !(is_first || is_prepared)
            || are_we_there
            || answerer::of_namespace(port, [index].into_iter()) == Answerer::Nobody
        {
            return Ok(false);
        }
        if is_first && self.settings.datapath.prepare(netlink, index)? {
            self.handshakes.may_have_broken(index);
        }
        Ok(self.handshakes.are_repeated(index))
    }

    fn listen(&mut self, door: Door) -> Result<(), ServeError> {
        let port = self.settings.config.proxy_port;
        let opened = match self.adopt(door, port) {
            Some(socket) => Opened {
                door,
                socket,
                was_left: true,
            },
            None => Opened {
                door,
                socket: listener::open(door, port, self.settings.backlog, self.namespace.inode)
                    .map_err(|source| ServeError::Listen { door, port, source })?,
                was_left: false,
            },
        };
        self.open.insert(door);
        self.reconciled.opened.push(opened);
        Ok(())
    }

    /// The socket that we have there still, or the daemon before this one, with those who
    /// wait in it.
    fn adopt(&mut self, door: Door, port: u16) -> Option<OwnedFd> {
        let address = listener::address(door, port);
        let left = &mut self.settings.left;
        let socket = self
            .retiring
            .take(door)
            .or_else(|| left.take(self.namespace, address))?;
        match listener::adopt(&socket, self.settings.backlog, self.namespace.inode) {
            Ok(_) => Some(socket),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot use the socket that was left");
                end_listening(&socket);
                None
            }
        }
    }

    /// Whether a step that failed hinders the whole namespace.
    fn judge(
        &mut self,
        error: ServeError,
        step: Step,
        netlink: &NamespaceSocket,
        interfaces: &mut Interfaces,
    ) -> Result<(), ServeError> {
        let Some(index) = interface_of(step) else {
            return Err(error);
        };
        // Interfaces come and go at any time; the going is announced too.
        if link(netlink, index)?.is_none() {
            interfaces.remove(&index);
            return Ok(());
        }
        match step {
            // IPv6 may be off on the host, in the namespace, or for want of MTU.
            Step::AddAddress(_) | Step::ReplaceAddress(_) | Step::Listen(_) => {
                self.is_short |= error.may_pass();
                self.ipv6_problems.insert(index, error.to_string());
                Ok(())
            }
            Step::Guard(_) => {
                self.guard_problems.insert(index, error.to_string());
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// What is observed once the step is done.
pub(super) fn note(step: Step, interfaces: &mut Interfaces) {
    let Some(interface) = interface_of(step).and_then(|index| interfaces.get_mut(&index)) else {
        return;
    };
    match step {
        Step::AddAddress(_) | Step::ReplaceAddress(_) => {
            interface.ipv6 = Ipv6Address::Usable { ours: true };
        }
        Step::RemoveAddress(_) => interface.ipv6 = Ipv6Address::Missing,
        Step::Attach(_) => interface.attached = Attached::Current,
        Step::Detach(_) => interface.attached = Attached::Nothing,
        Step::Guard(_) => interface.xdp = XdpSlot::Guard { is_current: true },
        Step::Unguard(_) => interface.xdp = XdpSlot::Free,
        Step::Listen(_) | Step::Close(_) => {}
    }
}

fn interface_of(step: Step) -> Option<u32> {
    match step {
        Step::AddAddress(index)
        | Step::ReplaceAddress(index)
        | Step::RemoveAddress(index)
        | Step::Attach(index)
        | Step::Detach(index)
        | Step::Guard(index)
        | Step::Unguard(index)
        | Step::Listen(Door::Ipv6(index))
        | Step::Close(Door::Ipv6(index)) => Some(index),
        Step::Listen(Door::Ipv4) | Step::Close(Door::Ipv4) => None,
    }
}

/// The interface, as it is now.
fn link(netlink: &NamespaceSocket, index: u32) -> Result<Option<Link>, NetlinkError> {
    let links = netlink.links()?;
    Ok(links.into_iter().find(|link| link.index == index))
}
