//! The programs in the kernel: loaded once, attached to every tenant interface.
//!
//! Nothing here remembers what is attached where. The kernel knows: filters
//! are found by priority and handle, programs and maps by their pins.

mod address;
mod error;
mod filters;
mod foreign;
mod look;
mod notes;
mod object;
mod pins;
mod route;
mod tcx;
mod verdict_log;
mod verdicts;
mod xdp;

use std::collections::HashSet;
use std::os::fd::AsFd;

use aya::Ebpf;
use metadata_ebpf::name;

use crate::config::DatapathConfig;
use crate::netlink::{Link, NamespaceSocket};

pub use address::{
    add_address, is_our_address, remove_address, remove_our_addresses, remove_way_to_guests,
};
pub use error::DatapathError;
use filters::Hook;
pub use foreign::{ForeignHook, ForeignProgram, Order};
pub use look::{AttachState, Attached, AttachedBy, Look};
pub use notes::Notes;
use pins::Pins;
pub use route::{Reachability, ensure_route, reachability, remove_route};
pub use verdict_log::VerdictLog;
pub use verdicts::VerdictCount;
pub use xdp::XdpSlot;

/// Which way frames pass an interface, seen from the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    /// From the guests.
    Ingress,
    /// To the guests.
    Egress,
}

impl Direction {
    /// In the order in which they are attached: what is steered must find its way back.
    const BOTH: [Self; 2] = [Self::Egress, Self::Ingress];

    const fn program(self) -> &'static str {
        match self {
            Self::Ingress => name::STEER,
            Self::Egress => name::RESTORE,
        }
    }
}

/// The kernel's ids of the loaded programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramIds {
    pub steer: u32,
    pub restore: u32,
    pub guard: u32,
}

/// The loaded programs.
pub struct Datapath {
    ebpf: Ebpf,
    pins: Pins,
    ids: ProgramIds,
    log: Option<VerdictLog>,
    notes: Notes,
}

impl Datapath {
    /// Loads the programs and pins them, with the maps of an earlier daemon
    /// where these fit, so that the counters go on.
    ///
    /// Programs of an earlier load stay attached until [`attach`](Self::attach)
    /// replaces them. Pins of another version stay as well, until
    /// [`remove_other_versions`](Self::remove_other_versions).
    pub fn load(config: &DatapathConfig) -> Result<Self, DatapathError> {
        let pins = Pins::new(&config.bpffs);
        pins.prepare()?;
        let mut ebpf = object::load(config, &pins)?;
        let log = if config.log_verdicts {
            Some(VerdictLog::new(&mut ebpf)?)
        } else {
            None
        };
        let ids = ProgramIds {
            steer: object::program_id(&ebpf, name::STEER)?,
            restore: object::program_id(&ebpf, name::RESTORE)?,
            guard: object::program_id(&ebpf, name::GUARD)?,
        };
        object::pin(&mut ebpf, &pins)?;
        Ok(Self {
            ebpf,
            pins,
            ids,
            log,
            notes: Notes::load(&config.bpffs),
        })
    }

    pub fn program_ids(&self) -> ProgramIds {
        self.ids
    }

    /// Makes the place where [`Self::attach`] puts the programs; true if it was not there.
    /// Then the program of the way back is in it, which tells that it is ours to remove; and
    /// an interface that was up has lost what it sent meanwhile: the kernel stops its queues
    /// for an RCU grace period (`qdisc_graft`, `dev_deactivate_many` in its net/sched).
    pub fn prepare(&self, socket: &NamespaceSocket, ifindex: u32) -> Result<bool, DatapathError> {
        let failed = |source| DatapathError::Attach { ifindex, source };
        let hook = filters::ensure_clsact(socket, ifindex).map_err(failed)?;
        if hook != (Hook::Clsact { is_new: true }) {
            return Ok(false);
        }
        let program = object::program(&self.ebpf, Direction::Egress.program())?.fd()?;
        filters::put(socket, ifindex, Direction::Egress, program.as_fd(), true).map_err(failed)?;
        Ok(true)
    }

    /// Puts both programs on an interface of the socket's namespace, in place
    /// of earlier ones without a gap. Idempotent.
    ///
    /// Call it inside the namespace: where a foreign qdisc holds the clsact
    /// hook, only the TCX way is left, and that looks the interface up in the
    /// caller's namespace.
    pub fn attach(&mut self, socket: &NamespaceSocket, ifindex: u32) -> Result<(), DatapathError> {
        // These are updated in one step, whoever holds the hook now.
        if self.has_links(socket, ifindex)? {
            return self.attach_links(socket, ifindex);
        }
        let failed = |source| DatapathError::Attach { ifindex, source };
        match filters::ensure_clsact(socket, ifindex).map_err(failed)? {
            Hook::Clsact { is_new } => {
                for direction in Direction::BOTH {
                    let program = object::program(&self.ebpf, direction.program())?.fd()?;
                    filters::put(socket, ifindex, direction, program.as_fd(), is_new)
                        .map_err(failed)?;
                }
                Ok(())
            }
            Hook::Foreign => self.attach_links(socket, ifindex),
        }
    }

    /// By links alone: behind them a filter of ours would see what they have rewritten, and
    /// drop it.
    fn attach_links(
        &mut self,
        socket: &NamespaceSocket,
        ifindex: u32,
    ) -> Result<(), DatapathError> {
        for direction in Direction::BOTH {
            let program = object::program_mut(&mut self.ebpf, direction.program())?;
            tcx::attach(program, &self.pins, socket, ifindex, direction)?;
        }
        let failed = |source| DatapathError::Attach { ifindex, source };
        filters::remove_all(socket, ifindex).map_err(failed)
    }

    /// Whether links of ours are on an interface. Those of another one that had its index
    /// are unpinned.
    fn has_links(&self, socket: &NamespaceSocket, ifindex: u32) -> Result<bool, DatapathError> {
        let inode = socket.namespace_inode();
        let mut pinned = self.pins.links_in(inode)?;
        pinned.retain(|&(interface, _)| interface == ifindex);
        let mut are_there = false;
        for (_, direction) in pinned {
            match tcx::find(&self.pins, socket, ifindex, direction)? {
                Some(_) => are_there = true,
                None => self.pins.remove_link(inode, ifindex, direction)?,
            }
        }
        Ok(are_there)
    }

    /// Takes both programs off an interface. What is not there is no error.
    pub fn detach(&self, socket: &NamespaceSocket, ifindex: u32) -> Result<(), DatapathError> {
        detach(&self.pins, socket, ifindex)
    }

    /// Has an interface's driver run the guard. Idempotent.
    pub fn guard(&self, socket: &NamespaceSocket, link: &Link) -> Result<(), DatapathError> {
        let program = object::guard(&self.ebpf)?.fd()?.as_fd();
        xdp::attach(socket, link, program, self.ids.guard)
    }

    /// Takes the guard off an interface. What is not there is no error.
    pub fn unguard(&self, socket: &NamespaceSocket, link: &Link) -> Result<(), DatapathError> {
        xdp::detach(socket, link)
    }

    /// What the driver of an interface runs.
    pub fn xdp_slot(&self, link: &Link) -> Result<XdpSlot, DatapathError> {
        xdp::slot(link, Some(self.ids.guard))
    }

    /// Looks at the hooks of the socket's namespace. Call it inside.
    pub fn look<'a>(&'a self, socket: &'a NamespaceSocket) -> Result<Look<'a>, DatapathError> {
        Look::new(&self.pins, self.ids, socket)
    }

    /// Forgets the TCX links of an interface that the socket's namespace has no more.
    pub fn forget_links(
        &self,
        socket: &NamespaceSocket,
        ifindex: u32,
    ) -> Result<(), DatapathError> {
        for direction in Direction::BOTH {
            let inode = socket.namespace_inode();
            self.pins.remove_link(inode, ifindex, direction)?;
        }
        Ok(())
    }

    /// Forgets the TCX links of namespaces that are gone. `live` holds the
    /// inodes of those that are served.
    pub fn prune_links(&self, live: &HashSet<u64>) -> Result<(), DatapathError> {
        Ok(self.pins.prune_links(live)?)
    }

    /// Removes what a newer or an older version of the daemon has pinned: once this
    /// load's programs are everywhere in the place of that one's.
    pub fn remove_other_versions(&self) -> Result<(), DatapathError> {
        Ok(self.pins.remove_other_versions()?)
    }

    /// What the next daemon is to know of namespaces' shims.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The same, to be changed.
    pub fn notes_mut(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// What became of the frames since the maps were made, summed over the
    /// CPUs, in the order of [`metadata_ebpf::Verdict::ALL`].
    pub fn verdicts(&self) -> Result<Vec<VerdictCount>, DatapathError> {
        verdicts::read(&self.ebpf)
    }

    /// The programs' own log lines, once; `None` unless they are switched on.
    pub fn take_verdict_log(&mut self) -> Option<VerdictLog> {
        self.log.take()
    }
}

/// Takes everything of ours out of one namespace: filters, links, addresses, route.
/// Works without loaded programs.
pub fn remove_from_namespace(
    config: &DatapathConfig,
    socket: &NamespaceSocket,
) -> Result<(), DatapathError> {
    let pins = Pins::new(&config.bpffs);
    for link in socket.links().map_err(DatapathError::Namespace)? {
        detach(&pins, socket, link.index)?;
        xdp::detach(socket, &link)?;
    }
    // Of interfaces that went before.
    pins.remove_links_of(socket.namespace_inode())?;
    remove_our_addresses(socket)
        .and_then(|()| remove_route(socket))
        .map_err(DatapathError::Namespace)
}

/// Removes every pin, and the bpffs if it was mounted for them alone. Programs
/// live on where they are attached.
pub fn unload_pins(config: &DatapathConfig) -> Result<(), DatapathError> {
    Ok(Pins::new(&config.bpffs).remove_all()?)
}

fn detach(pins: &Pins, socket: &NamespaceSocket, ifindex: u32) -> Result<(), DatapathError> {
    for direction in Direction::BOTH.into_iter().rev() {
        pins.remove_link(socket.namespace_inode(), ifindex, direction)?;
    }
    let failed = |source| DatapathError::Detach { ifindex, source };
    filters::remove_all(socket, ifindex).map_err(failed)
}
