//! What libFuzzer says at the end of a run.

use std::path::PathBuf;

/// Of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    executions: u64,
    a_second: u64,
    /// Edges of the program that some input took.
    edges: u64,
    /// Inputs that each took a new way.
    inputs: u64,
}

/// What came of a target.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) target: String,
    pub(super) statistics: Statistics,
    pub(super) log: PathBuf,
    /// The bytes for which its property does not hold.
    pub(super) broken_by: Option<PathBuf>,
}

impl Statistics {
    /// Reads libFuzzer's log: lines of `stat::NAME: NUMBER`, before them some like
    /// `#524288 pulse cov: 812 ft: 2405 corp: 310/41Kb …`.
    pub(super) fn parse(log: &str) -> Self {
        let stat = |name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
            log.lines().find_map(value).unwrap_or_default()
        };
        let last = |name: &str| {
            let value = |line: &str| {
                let (_, rest) = line.split_once(name)?;
                let digits = rest
                    .trim_start()
                    .split(|c: char| !c.is_ascii_digit())
                    .next()?;
                digits.parse().ok()
            };
            log.lines().rev().find_map(value).unwrap_or_default()
        };
        Self {
            executions: stat("stat::number_of_executed_units:"),
            a_second: stat("stat::average_exec_per_sec:"),
            edges: last(" cov:"),
            inputs: last(" corp:"),
        }
    }
}

/// The table, and below it what broke.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "\n{:<16} {:>12} {:>9} {:>6} {:>7}  holds\n",
        "target", "executions", "a second", "edges", "inputs"
    );
    for outcome in outcomes {
        let Statistics {
            executions,
            a_second,
            edges,
            inputs,
        } = outcome.statistics;
        let holds = if outcome.broken_by.is_none() {
            "yes"
        } else {
            "NO"
        };
        text += &format!(
            "{:<16} {executions:>12} {a_second:>9} {edges:>6} {inputs:>7}  {holds}\n",
            outcome.target
        );
    }
    for outcome in outcomes {
        if let Some(bytes) = &outcome.broken_by {
            text += &format!(
                "{}: not for {}; see {}\n",
                outcome.target,
                bytes.display(),
                outcome.log.display()
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
INFO: Running with entropic power schedule (0xFF, 100).
#2\tINITED cov: 200 ft: 300 corp: 1/1b exec/s: 0 rss: 40Mb
#524288\tpulse  cov: 812 ft: 2405 corp: 310/41Kb lim: 4096 exec/s: 262144 rss: 66Mb
#700000\tDONE   cov: 815 ft: 2410 corp: 312/41Kb lim: 4096 exec/s: 233333 rss: 66Mb
Done 700000 runs in 3 second(s)
stat::number_of_executed_units: 700000
stat::average_exec_per_sec:     233333
stat::new_units_added:          312
";

    #[test]
    fn the_last_figures_count() {
        let statistics = Statistics::parse(LOG);
        let expected = Statistics {
            executions: 700_000,
            a_second: 233_333,
            edges: 815,
            inputs: 312,
        };
        assert_eq!(statistics, expected);
        assert_eq!(Statistics::parse(""), Statistics::default());
    }

    #[test]
    fn what_broke_stands_below_the_table() {
        let outcome = |target: &str, broken_by: Option<&str>| Outcome {
            target: target.to_owned(),
            statistics: Statistics::default(),
            log: "log".into(),
            broken_by: broken_by.map(PathBuf::from),
        };
        let text = table(&[outcome("packet", None), outcome("ovsdb", Some("crash-1"))]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(matches!(lines.as_slice(), [packet, ovsdb, why]
            if packet.ends_with("yes") && ovsdb.ends_with("NO")
                && *why == "ovsdb: not for crash-1; see log"));
    }
}
