//! Taking over from a proxy that serves without breaking handshakes that it has begun.
//!
//! Making the hook for our programs costs an interface some packets. If one was the
//! answer to a SYN, the guest sends that again after a second; by then it must not be
//! steered to us, or it is in two handshakes at once, and one is reset.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A SYN is sent again after one second (RFC 6298), and its answer is quick.
pub(super) const REPEATED: Duration = Duration::from_secs(2);

/// When the hooks of interfaces were made, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes(BTreeMap<u32, Instant>);

impl Handshakes {
    /// The hook was made just now.
    pub(super) fn may_have_broken(&mut self, interface: u32) {
        self.0.insert(interface, Instant::now());
    }

    /// Whether some may still have to be begun again.
    pub(super) fn are_repeated(&self, interface: u32) -> bool {
        let made = self.0.get(&interface);
        made.is_some_and(|made| made.elapsed() < REPEATED)
    }

    pub(super) fn keep_only(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|&interface, _| is_there(interface));
    }
}
