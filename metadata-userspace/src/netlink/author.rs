//! Telling the changes that this process makes from those of others.
//!
//! The kernel tells no socket that has the number of the one which asked for a change
//! (`do_one_broadcast` in its net/netlink/af_netlink.c), if that wants the news itself
//! (`NLM_F_ECHO`). To tell them costs it a search among the numbers of all namespaces, and
//! us another look at what we have just made.

use std::sync::OnceLock;

use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// Numbers that the kernel chooses are processes', or negative ones near zero.
const OUT_OF_THE_WAY: u32 = 0x8000_0000;
const ANYWHERE: u32 = 0x3fff_ffff;

/// What all sockets of this process have that make changes, each in a namespace of its own,
/// and that which hears of them. Not the process's number: in containers several have the
/// same.
fn number() -> u32 {
    static NUMBER: OnceLock<u32> = OnceLock::new();
    let random = || getrandom::u32().unwrap_or_else(|_| std::process::id());
    *NUMBER.get_or_init(|| OUT_OF_THE_WAY | (random() & ANYWHERE))
}

/// Gives it to a socket, or any other, if there is one in this namespace that has it.
pub fn bind(socket: &mut Socket) -> std::io::Result<()> {
    match socket.bind(&SocketAddr::new(number(), 0)) {
        Err(error) if error.raw_os_error() == Some(Errno::EADDRINUSE as i32) => {
            socket.bind_auto().map(drop)
        }
        bound => bound,
    }
}
