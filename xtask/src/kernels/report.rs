//! What a booted kernel tells the machine that booted it: a line a step, on a
//! serial port of its own, where the kernel's messages cannot come between.

use std::fmt::{self, Display, Formatter};

/// What is tried, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The kernel runs our init, which has made a place to work in.
    Boot,
    /// The verifier takes every program, and the daemon answers.
    Load,
    /// Filters are at both hooks of the router's interface.
    Attach,
    /// A guest gets its own document over IPv4.
    Ipv4,
    /// The same over IPv6.
    Ipv6,
    /// Both requests' log lines have the guest's MAC.
    Mac,
    /// `metadatad status` answers, and says what confines the worker.
    Status,
    /// `metadatad unload` leaves nothing.
    Unload,
    /// A namespace is served as long as a shim in haproxy's place lives.
    Shim,
    /// The verifier also takes programs that log, and their lines arrive.
    Log,
    /// The driver runs the guard, which drops the surplus of a guest's connections.
    Guard,
}

impl Step {
    pub(super) const ALL: [Self; 11] = [
        Self::Boot,
        Self::Load,
        Self::Attach,
        Self::Ipv4,
        Self::Ipv6,
        Self::Mac,
        Self::Status,
        Self::Unload,
        Self::Shim,
        Self::Log,
        Self::Guard,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Load => "load",
            Self::Attach => "attach",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
            Self::Status => "status",
            Self::Unload => "unload",
            Self::Shim => "shim",
            Self::Log => "log",
            Self::Guard => "guard",
        }
    }
}

/// How a step ended, and a word about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) step: Step,
    pub(super) passed: bool,
    pub(super) detail: String,
}

impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outcome = if self.passed { PASSED } else { FAILED };
        let detail = self.detail.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{} {outcome} {detail}", self.step.name())
    }
}

const PASSED: &str = "passed";
const FAILED: &str = "failed";

/// What came of a boot: a step without a record was not reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Report(Vec<Record>);

impl Report {
    /// Lines of another kind are not ours.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(record).collect())
    }

    pub(super) fn of(&self, step: Step) -> Option<&Record> {
        self.0.iter().find(|record| record.step == step)
    }

    /// Whether every step was reached and passed.
    pub(super) fn passed(&self) -> bool {
        let passed = |step| self.of(step).is_some_and(|record| record.passed);
        Step::ALL.into_iter().all(passed)
    }
}

fn record(line: &str) -> Option<Record> {
    let mut words = line.trim().splitn(3, ' ');
    let name = words.next()?;
    let step = Step::ALL.into_iter().find(|step| step.name() == name)?;
    let passed = match words.next()? {
        PASSED => true,
        FAILED => false,
        _ => return None,
    };
    let detail = words.next().unwrap_or_default().to_owned();
    Some(Record {
        step,
        passed,
        detail,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn all_passed() -> String {
        Step::ALL
            .map(|step| format!("{} passed\r\n", step.name()))
            .concat()
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            step: Step::Load,
            passed: false,
            detail: "the verifier\nsays no".to_owned(),
        };
        let line = record.to_string();
        assert_eq!(line, "load failed the verifier says no");
        let report = Report::parse(&format!("\u{1b}[2J\r\n{line}\r\n"));
        assert_eq!(
            report.of(Step::Load).unwrap().detail,
            "the verifier says no"
        );
        assert_eq!(report.of(Step::Attach), None);
    }

    #[test]
    fn every_step_must_have_passed() {
        assert!(Report::parse(&all_passed()).passed());
        assert!(!Report::parse(&all_passed().replace("mac passed", "mac failed")).passed());
    }

    #[test]
    fn a_step_that_was_not_reached_has_not_passed() {
        assert!(!Report::parse("").passed());
        assert!(!Report::parse(&all_passed().replace("unload passed\r\n", "")).passed());
        assert!(!Report::parse(&all_passed().replace("unload passed", "unload skipped")).passed());
    }
}
