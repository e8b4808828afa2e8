//! How long replies are waited for, as neutron_lib's `BackingOffClient` has it:
//! each time-out of a method doubles the wait for that method.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The wait for each method.
#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    longest: Duration,
    longer: Mutex<HashMap<&'static str, Duration>>,
}

impl Patience {
    /// `rpc_response_timeout` and `rpc_response_max_timeout`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest: longest.max(first),
            longer: Mutex::default(),
        }
    }

    /// How long to wait for an answer of `method` now.
    pub(super) fn with(&self, method: &'static str) -> Duration {
        self.lock().get(method).copied().unwrap_or(self.first)
    }

    /// No answer came within `waited`.
    pub(super) fn too_short(&self, method: &'static str, waited: Duration) {
        let wanted = (waited * 2).min(self.longest);
        let mut longer = self.lock();
        let wait = longer.entry(method).or_insert(self.first);
        // Calls that timed out together count once.
        *wait = wanted.max(*wait);
    }

    /// An answer came. neutron_lib keeps the longer wait until the agent is
    /// restarted; here nothing needs a restart.
    pub(super) fn answered(&self, method: &'static str, took: Duration) {
        if took < self.first {
            self.lock().remove(method);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Duration>> {
        self.longer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn time_outs_double_up_to_the_longest_wait() {
        let patience = Patience::new(seconds(60), seconds(200));
        let mut waits = Vec::new();
        for _ in 0..4 {
            let wait = patience.with("get_ports");
            waits.push(wait.as_secs());
            patience.too_short("get_ports", wait);
        }
        assert_eq!(waits, [60, 120, 200, 200]);
        assert_eq!(patience.with("report_state"), seconds(60));
    }

    #[test]
    fn calls_that_time_out_together_count_once() {
        let patience = Patience::new(seconds(60), seconds(600));
        patience.too_short("get_ports", seconds(60));
        patience.too_short("get_ports", seconds(60));
        assert_eq!(patience.with("get_ports"), seconds(120));
    }

    #[test]
    fn a_quick_answer_restores_the_first_wait() {
        let patience = Patience::new(seconds(60), seconds(600));
        patience.too_short("get_ports", seconds(60));
        patience.answered("get_ports", seconds(70));
        assert_eq!(patience.with("get_ports"), seconds(120));
        patience.answered("get_ports", seconds(1));
        assert_eq!(patience.with("get_ports"), seconds(60));
    }

    #[test]
    fn the_longest_wait_is_no_shorter_than_the_first() {
        let patience = Patience::new(seconds(60), seconds(30));
        patience.too_short("get_ports", seconds(60));
        assert_eq!(patience.with("get_ports"), seconds(60));
    }
}
