//! The guard on an interface, as the XDP program that its driver runs.
//!
//! Attached by netlink it outlives the process, as filters do. An interface has room
//! for one: what somebody else has put there stays.

use std::os::fd::{AsFd, BorrowedFd};

use aya::programs::loaded_programs;
use metadata_ebpf::name;

use super::error::DatapathError;
use super::foreign::{ForeignHook, ForeignProgram, Order};
use crate::netlink::{Link, NamespaceSocket};

/// What an interface's driver runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum XdpSlot {
    #[default]
    Free,
    /// Our guard; not `is_current` if it is of an earlier load.
    Guard {
        is_current: bool,
    },
    Foreign(ForeignProgram),
}

/// Looks at the id in a dump of interfaces. `guard` is that of this load, if any.
pub(super) fn slot(link: &Link, guard: Option<u32>) -> Result<XdpSlot, DatapathError> {
    let Some(id) = link.xdp else {
        return Ok(XdpSlot::Free);
    };
    if guard == Some(id) {
        return Ok(XdpSlot::Guard { is_current: true });
    }
    let name = program_name(id)?;
    if name == name::GUARD {
        return Ok(XdpSlot::Guard { is_current: false });
    }
    Ok(XdpSlot::Foreign(ForeignProgram {
        hook: ForeignHook::Xdp,
        name,
        id: Some(id),
        runs: Order::Before,
    }))
}

/// Has the driver run the program, in the place of an earlier one of ours. A driver
/// that cannot refuses; the kernel's own emulation would run it after the socket buffer
/// was made, which helps nobody.
pub(super) fn attach(
    socket: &NamespaceSocket,
    link: &Link,
    program: BorrowedFd<'_>,
    guard: u32,
) -> Result<(), DatapathError> {
    let replaces = match slot(link, Some(guard))? {
        XdpSlot::Guard { is_current: true } => return Ok(()),
        XdpSlot::Guard { is_current: false } => true,
        XdpSlot::Free => false,
        XdpSlot::Foreign(program) => return Err(DatapathError::XdpTaken(program)),
    };
    socket
        .set_xdp(link.index, program.as_fd(), replaces)
        .map_err(|source| DatapathError::Guard {
            ifindex: link.index,
            source,
        })
}

/// Takes our guard off; anything else stays.
pub(super) fn detach(socket: &NamespaceSocket, link: &Link) -> Result<(), DatapathError> {
    if !matches!(slot(link, None)?, XdpSlot::Guard { .. }) {
        return Ok(());
    }
    match socket.unset_xdp(link.index) {
        Err(source) if !source.is_gone() => Err(DatapathError::Detach {
            ifindex: link.index,
            source,
        }),
        _ => Ok(()),
    }
}

/// Empty when the program has none, or is gone by now.
fn program_name(id: u32) -> Result<String, DatapathError> {
    for program in loaded_programs() {
        let program = match program {
            Ok(program) => program,
            // It was unloaded while the list was read.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        if program.id() == id {
            return Ok(program.name_as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(String::new())
}

fn is_gone(error: &aya::programs::ProgramError) -> bool {
    use aya::programs::ProgramError::SyscallError;
    let SyscallError(error) = error else {
        return false;
    };
    error.io_error.raw_os_error() == Some(nix::libc::ENOENT)
}
