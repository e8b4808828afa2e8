//! How soon a worker is started after the one before.

use std::time::Duration;

/// A worker that lived this long did not die of its start, which haste would not help;
/// guests wait in every pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait before the next start: nothing at first, then longer the
/// quicker workers die.
#[derive(Default)]
pub(super) struct Pause(Duration);

impl Pause {
    /// After a worker that lived so long.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY_AFTER {
            self.0 = Duration::ZERO;
        }
        let pause = self.0;
        self.0 = (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_die_young_are_replaced_ever_more_slowly() {
        let mut pause = Pause::default();
        let young = Duration::from_millis(1);
        assert_eq!(pause.after(young), Duration::ZERO);
        assert_eq!(pause.after(young), Duration::from_millis(100));
        assert_eq!(pause.after(young), Duration::from_millis(200));
        for _ in 0..10 {
            pause.after(young);
        }
        assert_eq!(pause.after(young), LONGEST_PAUSE);
        assert_eq!(pause.after(HEALTHY_AFTER), Duration::ZERO);
    }
}
