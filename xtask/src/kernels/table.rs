//! What came of every kernel, for people.

use super::report::{Report, Step};

/// A kernel and what came of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) release: &'static str,
    /// The version of Debian's package.
    pub(super) package: String,
    pub(super) report: Report,
    pub(super) seconds: f64,
}

/// The table, and below it why steps failed.
pub(super) fn render(rows: &[Row]) -> String {
    let steps: String = Step::ALL
        .map(|step| format!(" {:<7}", step.name()))
        .concat();
    let mut text = format!(
        "\n{:<8} {:<20}{steps} seconds\n",
        "kernel", "Debian's package"
    );
    for row in rows {
        let outcomes: String = Step::ALL
            .map(|step| format!(" {:<7}", outcome(&row.report, step)))
            .concat();
        text += &format!(
            "{:<8} {:<20}{outcomes} {:>7.1}\n",
            row.release, row.package, row.seconds
        );
    }
    for row in rows {
        for record in Step::ALL.iter().filter_map(|step| row.report.of(*step)) {
            if !record.passed {
                text += &format!("{}: {record}\n", row.release);
            }
        }
    }
    text
}

fn outcome(report: &Report, step: Step) -> &'static str {
    match report.of(step) {
        None => "-",
        Some(record) if record.passed => "yes",
        Some(_) => "NO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_stand_below_the_table() {
        let row = Row {
            release: "5.10",
            package: "5.10.262-1".to_owned(),
            report: Report::parse("boot passed\nload failed invalid argument\n"),
            seconds: 4.04,
        };
        let text = render(&[row]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "5.10     5.10.262-1           yes     NO      -       -       -       -       -       -       -       -       -           4.0",
                "5.10: load failed invalid argument",
            ]
        );
    }
}
