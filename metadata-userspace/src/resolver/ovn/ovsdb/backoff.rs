//! How long to wait before the next connection.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(500);
/// OVS's own clients wait no longer either (lib/reconnect.c).
const LONGEST: Duration = Duration::from_secs(8);

/// Grows while no server will do.
#[derive(Debug, Default)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// After a connection over which data came: another server is tried at once.
    pub(super) fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }

    /// Before another round of all servers.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).clamp(SHORTEST, LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_data_comes() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [0, 500, 1000, 2000, 4000, 8000, 8000]);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }
}
