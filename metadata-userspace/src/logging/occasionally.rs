//! For log lines that a guest can cause: at most one a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line a second pass and counts the others.
#[derive(Debug, Default)]
pub struct Occasionally {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Occasionally {
    /// The number of lines left out since the last one, when it is time for
    /// another; `None` when it is not.
    pub fn now(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().ok()?;
        let too_soon = state
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < INTERVAL);
        if too_soon {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line_a_second() {
        let log = Occasionally::default();
        let start = Instant::now();
        assert_eq!(log.at(start), Some(0));
        assert_eq!(log.at(start + INTERVAL / 2), None);
        assert_eq!(log.at(start + INTERVAL / 3), None);
        assert_eq!(log.at(start + INTERVAL), Some(2));
    }
}
