//! Where a message of the kernel's came from, when one socket hears of many namespaces.

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// In the namespace that has this number in the socket's.
    In(i32),
    /// In the socket's own.
    AtHome,
}

/// Room for the one control message there is, and for its alignment.
type Control = [libc::cmsghdr; 4];

/// Takes one message from the queue, of which only its origin is kept.
pub(super) fn hear(socket: BorrowedFd<'_>) -> Result<Heard, Errno> {
    // The message is cut to nothing, which is the point.
    let mut control = MaybeUninit::<Control>::uninit();
    // SAFETY: all zeros are a valid msghdr: null pointers with sizes of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the socket is open, and the pointer and size in `message` are those of
    // `control`, which outlives the call.
    let received =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    Errno::result(received)?;
    // SAFETY: the kernel has filled `message`, and `control` as far as it says there.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: null, or a header within `control`.
    let Some(found) = (unsafe { header.as_ref() }) else {
        return Ok(Heard::AtHome);
    };
    if (found.cmsg_level, found.cmsg_type) != (libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID) {
        return Ok(Heard::AtHome);
    }
    // SAFETY: a control message of this type carries an int (`netlink_cmsg_listen_all_nsid`
    // in the kernel's net/netlink/af_netlink.c).
    let number = unsafe { ptr::read_unaligned(libc::CMSG_DATA(header).cast::<i32>()) };
    Ok(Heard::In(number))
}
