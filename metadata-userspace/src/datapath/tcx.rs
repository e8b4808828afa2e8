//! Our programs as TCX links, for interfaces whose clsact hook a foreign qdisc
//! holds. Links are pinned, by namespace and interface, since a link lasts
//! only as long as somebody holds it.
//!
//! Not the usual way, because each attachment waits for an RCU grace period
//! with the host's RTNL lock held: 24 ms, against 0.1 ms for a filter.

use std::error::Error;
use std::io;
use std::os::unix::fs::MetadataExt;

use aya::programs::links::{FdLink, LinkError, LinkOrder, PinnedLink};
use aya::programs::tc::TcAttachOptions;
use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use nix::libc;
use nix::net::if_::if_indextoname;

use super::Direction;
use super::error::DatapathError;
use super::foreign::{ForeignHook, ForeignProgram, Order};
use super::pins::Pins;
use crate::netlink::NamespaceSocket;

type AnyError = Box<dyn Error + Send + Sync>;

/// Attaches, or puts the program in the place of the one that our link has.
pub(super) fn attach(
    program: &mut SchedClassifier,
    pins: &Pins,
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
) -> Result<(), DatapathError> {
    let inode = socket.namespace_inode();
    if !is_inside(inode) {
        return Err(DatapathError::OutsideNamespace { ifindex, inode });
    }
    let failed = |source| DatapathError::Tcx { ifindex, source };
    let path = pins.link(inode, ifindex, direction);
    if let Ok(pinned) = PinnedLink::from_pin(&path) {
        return update(program, pinned).map_err(|error| failed(error.into()));
    }
    let link = create(program, ifindex, direction).map_err(failed)?;
    pins.replace(&path, |path| link.pin(path).map(drop))?;
    Ok(())
}

/// The id of the program in the link that is pinned for an interface of the caller's
/// namespace; `None` if the link was another's that had this index.
pub(super) fn find(
    pins: &Pins,
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
) -> Result<Option<u32>, DatapathError> {
    let inode = socket.namespace_inode();
    if !is_inside(inode) {
        return Err(DatapathError::OutsideNamespace { ifindex, inode });
    }
    let path = pins.link(inode, ifindex, direction);
    let failed = |source| DatapathError::Link {
        path: path.clone(),
        source,
    };
    let link = FdLink::from(PinnedLink::from_pin(&path).map_err(failed)?);
    let link = link.info().map_err(failed)?;
    let is_there = links_at(ifindex, direction).contains(&link.id());
    Ok(is_there.then(|| link.program_id()))
}

/// Other people's TCX programs, of which those before ours in the list run before it;
/// all of them run before filters. Nothing on a kernel without TCX.
pub(super) fn others(
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
    ours: Option<u32>,
) -> Vec<ForeignProgram> {
    if links_at(ifindex, direction).is_empty() || !is_inside(socket.namespace_inode()) {
        return Vec::new();
    }
    let Some(name) = if_indextoname(ifindex)
        .ok()
        .and_then(|name| name.into_string().ok())
    else {
        return Vec::new();
    };
    let Ok((_, programs)) = SchedClassifier::query_tcx(&name, side(direction)) else {
        return Vec::new();
    };
    let place = programs
        .iter()
        .position(|program| Some(program.id()) == ours);
    let others = programs.iter().enumerate();
    others
        .filter(|(at, _)| Some(*at) != place)
        .map(|(at, program)| ForeignProgram {
            hook: ForeignHook::tcx(direction),
            name: program.name_as_str().unwrap_or_default().to_owned(),
            id: Some(program.id()),
            runs: match place {
                Some(place) if at > place => Order::After,
                _ => Order::Before,
            },
        })
        .collect()
}

/// The id of each program's link at a hook of the caller's namespace, 0 for one without;
/// nothing on a kernel without TCX. aya tells no links, and takes an interface's name, which
/// costs two sockets.
fn links_at(ifindex: u32, direction: Direction) -> Vec<u32> {
    let mut programs = [0_u32; MOST_PROGRAMS];
    let mut links = [0_u32; MOST_PROGRAMS];
    let mut query = Query {
        ifindex,
        // The kernel tells no links to who does not ask for programs.
        program_ids: programs.as_mut_ptr() as u64,
        link_ids: links.as_mut_ptr() as u64,
        count: MOST_PROGRAMS as u32,
        attach_type: match direction {
            Direction::Ingress => BPF_TCX_INGRESS,
            Direction::Egress => BPF_TCX_EGRESS,
        },
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes within the size of `query`, and `count` numbers in
    // each list, which outlive the call.
    let asked = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &raw mut query,
            size_of::<Query>(),
        )
    };
    let found = links.iter().take(query.count as usize);
    match asked {
        0 => found.copied().collect(),
        _ => Vec::new(),
    }
}

const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_TCX_INGRESS: u32 = 46;
const BPF_TCX_EGRESS: u32 = 47;
/// `BPF_MPROG_MAX` of the kernel's include/linux/bpf_mprog.h.
const MOST_PROGRAMS: usize = 64;

/// `query` in `union bpf_attr` of linux/bpf.h.
#[derive(Default)]
#[repr(C)]
struct Query {
    ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    link_ids: u64,
    link_flags: u64,
    revision: u64,
}

fn update(program: &mut SchedClassifier, pinned: PinnedLink) -> Result<(), ProgramError> {
    let link = FdLink::from(pinned)
        .try_into()
        .map_err(|_: LinkError| ProgramError::UnexpectedProgramType)?;
    let id = program.attach_to_link(link)?;
    // Taken out of aya's table: the pin alone holds the link.
    program.take_link(id).map(drop)
}

fn create(
    program: &mut SchedClassifier,
    ifindex: u32,
    direction: Direction,
) -> Result<FdLink, AnyError> {
    let name = if_indextoname(ifindex)?.into_string()?;
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program.attach_with_options(&name, side(direction), options)?;
    Ok(program.take_link(id)?.try_into()?)
}

fn side(direction: Direction) -> TcAttachType {
    match direction {
        Direction::Ingress => TcAttachType::Ingress,
        Direction::Egress => TcAttachType::Egress,
    }
}

fn is_inside(namespace: u64) -> bool {
    let current: io::Result<_> = std::fs::metadata("/proc/thread-self/ns/net");
    current.is_ok_and(|current| current.ino() == namespace)
}
