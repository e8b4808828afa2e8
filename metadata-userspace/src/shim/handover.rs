//! What the shim and its [waiter](super::waiting) leave each other across an exec.
//!
//! The waiter is a program of its own that includes this file: constants only.

/// The descriptor of the connection to the daemon; closed when there is none.
pub(crate) const CONNECTION: i32 = 3;
/// Environment variable: the path of the whole program.
pub(crate) const EXECUTABLE: &str = "METADATAD_SHIM_EXECUTABLE";
/// Environment variable: the path of the daemon's socket.
pub(crate) const SOCKET: &str = "METADATAD_SHIM_SOCKET";
/// Environment variable: what to say to the daemon.
pub(crate) const REGISTRATION: &str = "METADATAD_SHIM_REGISTRATION";
/// The daemon's answer when nothing is amiss. With any other the whole program sees to it.
#[allow(
    dead_code,
    reason = "the waiter's alone; a test compares it with the protocol"
)]
pub(crate) const SERVING: &[u8] = b"\"serving\"";
/// Environment variable: seconds to wait before the next attempt to connect.
pub(crate) const PAUSE: &str = "METADATAD_SHIM_PAUSE";
/// The descriptor that the waiter closes first: whoever started the shim reads its
/// other end, and shall find the whole command line in `/proc`.
pub(crate) const STARTER: i32 = 4;
