//! Our programs on an interface, as direct-action filters of its clsact qdisc.
//!
//! A filter outlives the process that made it. It is found by its priority and
//! handle, and a new program is put in its place under the same handle in one
//! step of the kernel (`cls_bpf_change` swaps the two in the RCU list), so no
//! frame ever passes between an old and a new program.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage,
    TcOption,
};

use super::Direction;
use super::foreign::{ForeignHook, ForeignProgram, Order};
use crate::netlink::{Dumped, NamespaceSocket, NetlinkError, attribute};

/// Before other people's filters, which start at 49152 where nobody chooses.
const PRIORITY: u16 = 80;
/// The lower six bits of 169, which nobody else's filter at this priority has by accident.
/// Below 64, because the kernel finds filters by handle in a radix tree with so many
/// branches: one node of 576 bytes then, three for larger ones (`cls_bpf_change` in its
/// net/sched/cls_bpf.c, `XA_CHUNK_SIZE`).
const HANDLE: u32 = 0x29;
/// What it was before; a filter that has it is ours too.
const FORMER_HANDLE: u32 = 0xa9fe;
const ETH_P_ALL: u16 = 0x0003;
const CLSACT: &str = "clsact";

const HEADER_SIZE: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;

/// What filters of a classic `ingress` qdisc have for their parent.
const INGRESS_QDISC: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0,
};

/// Which qdisc holds the clsact hook of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Clsact {
        /// It was not there before.
        is_new: bool,
    },
    /// A classic `ingress` qdisc or another kind: it has no egress side, and
    /// it is not ours to remove.
    Foreign,
}

/// Makes sure that the interface has a clsact qdisc, unless something else
/// holds its place.
pub(super) fn ensure_clsact(socket: &NamespaceSocket, ifindex: u32) -> Result<Hook, NetlinkError> {
    let request = RouteNetlinkMessage::NewQueueDiscipline(clsact(ifindex));
    match socket.request(request, NLM_F_CREATE | NLM_F_EXCL) {
        Ok(()) => Ok(Hook::Clsact { is_new: true }),
        Err(error) if error.already_exists() => hook(socket, ifindex),
        Err(error) => Err(error),
    }
}

/// Interfaces where filters can be, ours or others'. One question tells all those that need
/// not be asked about.
pub(super) fn hooked(socket: &NamespaceSocket) -> Result<BTreeSet<u32>, NetlinkError> {
    let listing = socket.dump(RouteNetlinkMessage::GetQueueDiscipline(message(0)))?;
    let headers = listing
        .iter()
        .filter_map(|object| TcHeader::parse(object.bytes()).ok());
    // Classic `ingress` qdiscs have the same parent.
    let hooks = headers.filter(|header| header.parent == TcHandle::CLSACT);
    Ok(hooks.map(|header| header.index.cast_unsigned()).collect())
}

fn hook(socket: &NamespaceSocket, ifindex: u32) -> Result<Hook, NetlinkError> {
    let listing = socket.dump(RouteNetlinkMessage::GetQueueDiscipline(message(ifindex)))?;
    let is_clsact = listing.iter().any(|object| {
        is_on(object, ifindex, TcHandle::CLSACT) && kind(object) == CLSACT.as_bytes()
    });
    Ok(if is_clsact {
        Hook::Clsact { is_new: false }
    } else {
        Hook::Foreign
    })
}

/// Puts a program on the interface, in place of one of ours that is there, whose handle it
/// gets. Beside it, it would see at ingress what that one has rewritten, and drop it.
pub(super) fn put(
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
    program: BorrowedFd<'_>,
    is_hook_new: bool,
) -> Result<(), NetlinkError> {
    let ours = match is_hook_new {
        true => Vec::new(),
        false => handles(socket, ifindex, direction)?,
    };
    let (handle, surplus) = ours.split_first().unwrap_or((&HANDLE, &[]));
    for &handle in surplus {
        remove(socket, ifindex, direction, handle)?;
    }
    let mut message = filter(ifindex, direction, *handle);
    message.attributes.push(TcAttribute::Options(vec![
        TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd() as u32)),
        TcOption::Bpf(TcFilterBpfOption::ProgName(direction.program().to_owned())),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ]));
    socket.request(RouteNetlinkMessage::NewTrafficFilter(message), NLM_F_CREATE)
}

/// Those of our filters. One, unless an earlier daemon ended while it exchanged them.
fn handles(
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
) -> Result<Vec<u32>, NetlinkError> {
    let all = list(socket, ifindex, parent(direction))?;
    Ok(all.iter().filter(|one| is_ours(one)).map(handle).collect())
}

/// The id of the program in our filter, if the interface has it, and other people's
/// filters. Of two of ours it is that which has to go.
pub(super) fn find(
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
) -> Result<(Option<u32>, Vec<ForeignProgram>), NetlinkError> {
    let all = list(socket, ifindex, parent(direction))?;
    let (ours, others): (Vec<_>, Vec<_>) = all.iter().partition(|object| is_ours(object));
    let former = ours
        .iter()
        .position(|object| handle(object) == FORMER_HANDLE);
    let ours = ours.get(former.unwrap_or_default());
    let ours = ours.and_then(|object| program_id(object));
    Ok((ours, foreign(others.into_iter(), direction, PRIORITY)))
}

/// The filters of a classic `ingress` qdisc, all of which run after TCX programs.
pub(super) fn classic(
    socket: &NamespaceSocket,
    ifindex: u32,
) -> Result<Vec<ForeignProgram>, NetlinkError> {
    let all = list(socket, ifindex, INGRESS_QDISC)?;
    Ok(foreign(all.iter(), Direction::Ingress, 0))
}

/// Other people's filters, beside ours of this priority. Several alike are one: u32 has
/// its tables listed too.
fn foreign<'a>(
    others: impl Iterator<Item = &'a Dumped>,
    direction: Direction,
    ours: u16,
) -> Vec<ForeignProgram> {
    let mut programs: Vec<_> = others
        .filter_map(|filter| foreign_program(filter, direction, ours))
        .collect();
    programs.dedup();
    programs
}

/// `None` for what the kernel lists besides: a priority itself, as handle 0.
fn foreign_program(filter: &Dumped, direction: Direction, ours: u16) -> Option<ForeignProgram> {
    let header = TcHeader::parse(filter.bytes()).ok()?;
    if handle(filter) == 0 {
        return None;
    }
    let kind = kind(filter);
    let has_program = kind == TcFilterBpf::KIND.as_bytes();
    let options = filter.attribute(HEADER_SIZE, TCA_OPTIONS);
    let name = options
        .filter(|_| has_program)
        .and_then(|options| attribute(options, TCA_BPF_NAME))
        .unwrap_or(kind);
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    Some(ForeignProgram {
        hook: ForeignHook::tc(direction),
        name: String::from_utf8_lossy(name).into_owned(),
        id: program_id(filter).filter(|_| has_program),
        runs: if header.info >> 16 <= u32::from(ours) {
            Order::Before
        } else {
            Order::After
        },
    })
}

/// Takes our filters off the interface, and a clsact qdisc that is empty then; none there
/// is no error.
pub(super) fn remove_all(socket: &NamespaceSocket, ifindex: u32) -> Result<(), NetlinkError> {
    let mut was_filtered = false;
    for direction in Direction::BOTH.into_iter().rev() {
        for handle in handles(socket, ifindex, direction)? {
            remove(socket, ifindex, direction, handle)?;
            was_filtered = true;
        }
    }
    match was_filtered {
        true => remove_empty_clsact(socket, ifindex),
        false => Ok(()),
    }
}

fn remove(
    socket: &NamespaceSocket,
    ifindex: u32,
    direction: Direction,
    handle: u32,
) -> Result<(), NetlinkError> {
    let request = RouteNetlinkMessage::DelTrafficFilter(filter(ifindex, direction, handle));
    match socket.request(request, 0) {
        // EINVAL: the interface has no clsact qdisc, so no filter either.
        Err(error) if error.is_gone() || error.errno() == Some(nix::libc::EINVAL) => Ok(()),
        other => other,
    }
}

/// Removes the clsact qdisc when no filter is left on it.
///
/// The kernel cannot tell who made a qdisc; an empty one does nothing, and
/// whoever wants it makes it again, as we do.
fn remove_empty_clsact(socket: &NamespaceSocket, ifindex: u32) -> Result<(), NetlinkError> {
    let is_foreign = hook(socket, ifindex)? == Hook::Foreign;
    if is_foreign || has_filters(socket, ifindex)? {
        return Ok(());
    }
    match socket.request(RouteNetlinkMessage::DelQueueDiscipline(clsact(ifindex)), 0) {
        Err(error) if error.is_gone() => Ok(()),
        other => other,
    }
}

fn has_filters(socket: &NamespaceSocket, ifindex: u32) -> Result<bool, NetlinkError> {
    for direction in Direction::BOTH {
        if !list(socket, ifindex, parent(direction))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn list(
    socket: &NamespaceSocket,
    ifindex: u32,
    parent: TcHandle,
) -> Result<Vec<Dumped>, NetlinkError> {
    let mut request = message(ifindex);
    request.header.parent = parent;
    let mut listing = socket.dump(RouteNetlinkMessage::GetTrafficFilter(request))?;
    listing.retain(|object| is_on(object, ifindex, parent));
    Ok(listing)
}

fn is_on(object: &Dumped, ifindex: u32, parent: TcHandle) -> bool {
    TcHeader::parse(object.bytes())
        .is_ok_and(|header| header.index == ifindex as i32 && header.parent == parent)
}

fn is_ours(object: &Dumped) -> bool {
    let has_our_priority = TcHeader::parse(object.bytes())
        .is_ok_and(|header| header.info >> 16 == u32::from(PRIORITY));
    let has_our_handle = [HANDLE, FORMER_HANDLE].contains(&handle(object));
    has_our_priority && has_our_handle && kind(object) == TcFilterBpf::KIND.as_bytes()
}

/// 0 for the priority itself, which the kernel lists too.
fn handle(object: &Dumped) -> u32 {
    TcHeader::parse(object.bytes()).map_or(0, |header| header.handle.into())
}

fn kind(object: &Dumped) -> &[u8] {
    let kind = object.attribute(HEADER_SIZE, TCA_KIND).unwrap_or_default();
    kind.strip_suffix(b"\0").unwrap_or(kind)
}

fn program_id(object: &Dumped) -> Option<u32> {
    let options = object.attribute(HEADER_SIZE, TCA_OPTIONS)?;
    let id = attribute(options, TCA_BPF_ID)?;
    Some(u32::from_ne_bytes(id.try_into().ok()?))
}

fn message(ifindex: u32) -> TcMessage {
    TcMessage::with_index(ifindex as i32)
}

fn clsact(ifindex: u32) -> TcMessage {
    let mut message = message(ifindex);
    message.header.handle = INGRESS_QDISC;
    message.header.parent = TcHandle::CLSACT;
    message
        .attributes
        .push(TcAttribute::Kind(CLSACT.to_owned()));
    message
}

fn filter(ifindex: u32, direction: Direction, handle: u32) -> TcMessage {
    let mut message = message(ifindex);
    message.header.parent = parent(direction);
    message.header.handle = TcHandle::from(handle);
    message.header.info = u32::from(PRIORITY) << 16 | u32::from(ETH_P_ALL.to_be());
    message
        .attributes
        .push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
    message
}

fn parent(direction: Direction) -> TcHandle {
    let minor = match direction {
        Direction::Ingress => TcHandle::MIN_INGRESS,
        Direction::Egress => TcHandle::MIN_EGRESS,
    };
    TcHandle {
        major: 0xffff,
        minor,
    }
}
