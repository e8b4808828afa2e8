//! A record's way to the log: formatted once, in the form that `tracing` gives all other
//! lines. Handed to `tracing`, it would be formatted twice and escaped byte by byte, which
//! took a tenth of the CPU time that the daemon itself spends on a request.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::logging::batch::Stderr;

static IS_ENABLED: AtomicBool = AtomicBool::new(false);

/// Has records written, or not.
pub(in crate::logging) fn enable(is_enabled: bool) {
    IS_ENABLED.store(is_enabled, Relaxed);
}

/// Writes a line, if records are written.
pub(super) fn write(describe: impl FnOnce(&mut String) -> fmt::Result) {
    if !IS_ENABLED.load(Relaxed) {
        return;
    }
    LINE.with_borrow_mut(|Line { text, clock }| {
        text.clear();
        // Writing to a string cannot fail.
        let _ = clock
            .write_now(text)
            .and_then(|()| text.write_str("  INFO access: "))
            .and_then(|()| describe(text));
        text.push('\n');
        // There is nowhere to report that the log cannot be written.
        let _ = Stderr.write_all(text.as_bytes());
    });
}

#[derive(Default)]
struct Line {
    text: String,
    clock: Clock,
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

/// The time in RFC 3339, whose date is worked out once a second.
#[derive(Default)]
struct Clock {
    second: u64,
    written: String,
}

impl Clock {
    fn write_now(&mut self, text: &mut String) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.write(now.unwrap_or_default(), text)
    }

    fn write(&mut self, now: Duration, text: &mut String) -> fmt::Result {
        if self.second != now.as_secs() || self.written.is_empty() {
            self.second = now.as_secs();
            let second = UNIX_EPOCH + Duration::from_secs(self.second);
            self.written = humantime::format_rfc3339_seconds(second).to_string();
        }
        let without_zone = self.written.trim_end_matches('Z');
        write!(text, "{without_zone}.{:06}Z", now.subsec_micros())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn times_follow_each_other_as_other_lines_have_them() {
        let mut clock = Clock::default();
        let mut at = |micros| {
            let mut text = String::new();
            clock
                .write(Duration::from_micros(micros), &mut text)
                .unwrap();
            text
        };
        assert_eq!(at(7), "1970-01-01T00:00:00.000007Z");
        assert_eq!(at(1_795_632_201_962_892), "2026-11-25T18:43:21.962892Z");
        assert_eq!(at(1_795_632_202_000_000), "2026-11-25T18:43:22.000000Z");
    }
}
