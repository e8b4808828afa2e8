//! What the shim and its [waiter](super::waiting) leave each other across an exec.
//!
//! The waiter is a program of its own that includes this file: constants only.

/// The descriptor of the connection to the daemon; closed when there is none.
pub(crate) const CONNECTION: i32 = 3;
/// Environment variable: the path of the whole program.
pub(crate) const EXECUTABLE: &str = "METADATAD_SHIM_EXECUTABLE";
/// Environment variable: the path of the daemon's socket.
pub(crate) const SOCKET: &str = "METADATAD_SHIM_SOCKET";
/// Environment variable: seconds to wait before the next attempt to connect.
pub(crate) const PAUSE: &str = "METADATAD_SHIM_PAUSE";
/// The descriptor that the waiter closes first: whoever started the shim reads its
/// other end, and shall find the whole command line in `/proc`.
pub(crate) const STARTER: i32 = 4;
