//! What is attached in a namespace, found out from the kernel.

use std::collections::BTreeSet;

use super::foreign::{ForeignProgram, Order};
use super::pins::Pins;
use super::{DatapathError, Direction, ProgramIds, filters, tcx};
use crate::netlink::NamespaceSocket;

/// What one interface carries of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachState {
    pub steer: Option<Attached>,
    pub restore: Option<Attached>,
    /// Other people's programs at the same hooks.
    pub foreign: Vec<ForeignProgram>,
}

/// One of our programs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    pub program_id: u32,
    pub by: AttachedBy,
    /// False for a program of an earlier load, or one beside another: attach again.
    pub is_current: bool,
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedBy {
    /// A filter of the clsact qdisc.
    Filter,
    /// A TCX link, where another qdisc holds the hook.
    Tcx,
}

impl AttachState {
    /// Whether both programs of this load are there.
    pub fn is_complete(&self) -> bool {
        let is_current = |attached: Option<Attached>| attached.is_some_and(|one| one.is_current);
        is_current(self.steer) && is_current(self.restore)
    }

    /// Whether nothing of ours is there.
    pub fn is_empty(&self) -> bool {
        self.steer.is_none() && self.restore.is_none()
    }
}

/// The hooks of one namespace.
pub struct Look<'a> {
    pins: &'a Pins,
    ids: ProgramIds,
    socket: &'a NamespaceSocket,
    /// Interfaces where filters can be.
    hooked: BTreeSet<u32>,
    /// Where links of ours are, or were.
    linked: BTreeSet<(u32, Direction)>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        pins: &'a Pins,
        ids: ProgramIds,
        socket: &'a NamespaceSocket,
    ) -> Result<Self, DatapathError> {
        Ok(Self {
            pins,
            ids,
            socket,
            hooked: filters::hooked(socket).map_err(DatapathError::Namespace)?,
            linked: pins.links_in(socket.namespace_inode())?,
        })
    }

    /// Whether anything of ours may be on an interface.
    pub fn may_have_ours(&self, ifindex: u32) -> bool {
        let mut linked = self.linked.iter();
        self.hooked.contains(&ifindex) || linked.any(|&(index, _)| index == ifindex)
    }

    /// Interfaces for which links of ours are pinned, be they there or not.
    pub fn linked(&self) -> BTreeSet<u32> {
        self.linked.iter().map(|&(index, _)| index).collect()
    }

    /// What the kernel has on an interface.
    pub fn attached(&self, ifindex: u32) -> Result<AttachState, DatapathError> {
        let mut foreign = Vec::new();
        let steer = self.attached_at(ifindex, Direction::Ingress, &mut foreign)?;
        let restore = self.attached_at(ifindex, Direction::Egress, &mut foreign)?;
        Ok(AttachState {
            steer,
            restore,
            foreign,
        })
    }

    fn attached_at(
        &self,
        ifindex: u32,
        direction: Direction,
        foreign: &mut Vec<ForeignProgram>,
    ) -> Result<Option<Attached>, DatapathError> {
        let inspect = |source| DatapathError::Inspect { ifindex, source };
        let (by_filter, filters) = match self.hooked.contains(&ifindex) {
            true => filters::find(self.socket, ifindex, direction).map_err(inspect)?,
            false => (None, Vec::new()),
        };
        let by_tcx = match self.linked.contains(&(ifindex, direction)) {
            true => tcx::find(self.pins, self.socket, ifindex, direction)?,
            false => None,
        };
        foreign.extend(tcx::others(self.socket, ifindex, direction, by_tcx));
        foreign.extend(filters.into_iter().map(|filter| ForeignProgram {
            runs: match by_tcx {
                Some(_) => Order::After,
                None => filter.runs,
            },
            ..filter
        }));
        if by_tcx.is_some() && direction == Direction::Ingress {
            foreign.extend(filters::classic(self.socket, ifindex).map_err(inspect)?);
        }
        let found = by_tcx
            .map(|program_id| (program_id, AttachedBy::Tcx))
            .or(by_filter.map(|program_id| (program_id, AttachedBy::Filter)));
        let are_two = by_tcx.is_some() && by_filter.is_some();
        let current = match direction {
            Direction::Ingress => self.ids.steer,
            Direction::Egress => self.ids.restore,
        };
        Ok(found.map(|(program_id, by)| Attached {
            program_id,
            by,
            is_current: program_id == current && !are_two,
        }))
    }
}
