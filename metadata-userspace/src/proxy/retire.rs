//! Taking no new connections without losing those that are on their way.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

/// A SYN that came before has been answered, and the answer to that has come: guests
/// are one link away.
pub(super) const LAST_HANDSHAKES: Duration = Duration::from_millis(100);

/// Has the datapath steer no further SYN here: it knows our sockets by the namespace's
/// number in their priority. Handshakes that have begun go on, whose connections would
/// be reset if the socket were closed now; new ones go to a haproxy that runs beside us.
pub fn turn_away(listener: &impl AsFd) -> Result<(), Errno> {
    setsockopt(listener, sockopt::Priority, &0)
}
