//! Taking no new connections without losing those that are on their way.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio_util::sync::CancellationToken;

/// A SYN that came before has been answered, and the answer to that has come: guests
/// are one link away.
pub(super) const LAST_HANDSHAKES: Duration = Duration::from_millis(100);

/// Has the datapath steer no further SYN here: it knows our sockets by the namespace's
/// number in their priority. Handshakes that have begun go on, whose connections would
/// be reset if the socket were closed now; new ones go to a haproxy that runs beside us.
pub fn turn_away(listener: &impl AsFd) -> Result<(), Errno> {
    setsockopt(listener, sockopt::Priority, &0)
}

/// When a listener is to take no more connections.
#[derive(Clone, Debug)]
pub struct Retirement {
    comes: CancellationToken,
    is_turned_away: Arc<AtomicBool>,
}

impl Retirement {
    /// When all listeners are, or before.
    pub fn with(all: &CancellationToken) -> Self {
        Self {
            comes: all.child_token(),
            is_turned_away: Arc::default(),
        }
    }

    /// Now. Whoever says so has turned new connections away, and may let them in again:
    /// it is not done once more.
    pub fn come(&self) {
        self.is_turned_away.store(true, Relaxed);
        self.comes.cancel();
    }

    pub(super) fn comes(&self) -> &CancellationToken {
        &self.comes
    }

    pub(super) fn is_turned_away(&self) -> bool {
        self.is_turned_away.load(Relaxed)
    }
}
