//! The page's text.

use super::results::Conditions;
use super::section::{Findings, Question, Repeats, Section};
use super::table::Table;
use crate::bench::machine::Machine;

/// Beside the page.
pub(super) const PLOTS: &str = "benchmarks";

/// More, and others' work is in the figures.
const IDLE_LOAD: f64 = 0.5;

const HEAD: &str = "\
# Benchmarks

metadatad beside what it replaces and beside what is possible, measured on one machine.
`cargo xtask bench --report` measures all of it and writes this page and its plots;
`cargo xtask bench --report --only PART` renews one part.

Bars and dots are medians of all rounds, the thin lines go from the lowest to the highest
round, and so do figures in parentheses. A ratio is the median of the ratios within a
round, in which all contenders run one after the other. The load generator and the servers
share the processors: ratios may be compared with other machines', with care; rates may
not.
";

/// The whole page.
pub(super) fn page(sections: &[Section]) -> String {
    let sections_text: String = sections.iter().map(section).collect();
    format!("{HEAD}\n{}{sections_text}", summary(sections))
}

/// Each question with its answer, which leads to the plot.
fn summary(sections: &[Section]) -> String {
    let mut table = Table::new(&["question", "answer"]).in_prose();
    for section in sections {
        for question in section.questions() {
            let link = format!("[{}](#{})", question.heading, anchor(section, question));
            table.row(vec![link, question.answer.clone()]);
        }
        if section.findings.is_none() {
            table.row(vec![section.title.to_owned(), missing(section)]);
        }
    }
    table.markdown()
}

fn section(section: &Section) -> String {
    let body = match &section.findings {
        Some(findings) => found(section, findings),
        None => format!("{}\n", missing(section)),
    };
    format!("\n## {}\n\n{body}", section.title)
}

fn missing(section: &Section) -> String {
    format!(
        "Not measured yet: `cargo xtask bench --report --only {}`.",
        section.name
    )
}

fn found(section: &Section, findings: &Findings) -> String {
    let questions = findings.questions.iter();
    let questions: String = questions.map(|one| question(section, one)).collect();
    format!(
        "{}\n{questions}{}",
        measured(section.name, findings),
        notes(&findings.notes)
    )
}

/// When, where, of what and how; and what makes the figures worth less.
fn measured(name: &str, findings: &Findings) -> String {
    let Conditions {
        machine,
        plan,
        measured,
        command,
    } = &findings.conditions;
    let when = match measured {
        Some(time) => format!("on {}", utc(time)),
        None => "at a time that was not written down".to_owned(),
    };
    let rounds = match (findings.repeats, plan.rounds) {
        (Repeats::Never, _) => "once".to_owned(),
        (Repeats::AsListed, _) => "as often as listed".to_owned(),
        (Repeats::InRounds, 1) => format!("1 round of {} s", plan.seconds),
        (Repeats::InRounds, rounds) => format!("{rounds} rounds of {} s", plan.seconds),
    };
    let command = command.clone();
    let command = command.unwrap_or_else(|| format!("cargo xtask bench --only {name}"));
    format!(
        "Measured {when}, {rounds}, commit `{}`, by `{command}`.\n{}\n{}",
        machine.commit(),
        machine.hardware_and_versions(),
        caveats(machine, &command)
    )
}

fn caveats(machine: &Machine, command: &str) -> String {
    let mut caveats = Vec::new();
    if command.contains("--quick") {
        caveats.push(
            "A quick run: it shows that the measurement works, not how fast anything is."
                .to_owned(),
        );
    }
    let load = machine.load_average();
    if load > IDLE_LOAD {
        caveats.push(format!(
            "Others used the machine: its load average was {load} before."
        ));
    }
    caveats
        .iter()
        .map(|caveat| format!("\n**{caveat}**\n"))
        .collect()
}

/// `2026-11-25T17:46:12Z` without the seconds.
fn utc(time: &str) -> String {
    let minutes: String = time.chars().take("2026-11-25T17:46".len()).collect();
    format!("{} UTC", minutes.replace('T', " "))
}

fn question(section: &Section, question: &Question) -> String {
    let Question {
        heading,
        answer,
        plot,
        tables,
        ..
    } = question;
    let alt = format!(
        "Plot: {}; the figures are in the table below.",
        plot.caption()
    );
    let (first, more) = match tables.split_first() {
        Some((first, more)) => (format!("\n{}", first.markdown()), more),
        None => (String::new(), Default::default()),
    };
    format!(
        "\n<a id=\"{}\"></a>\n\n### {heading}\n\n{answer}\n\n![{alt}]({PLOTS}/{})\n{first}{}",
        anchor(section, question),
        section.file(question),
        folded(more)
    )
}

fn folded(tables: &[Table]) -> String {
    if tables.is_empty() {
        return String::new();
    }
    let tables: Vec<_> = tables.iter().map(Table::markdown).collect();
    format!(
        "\n<details><summary>More figures</summary>\n\n{}\n</details>\n",
        tables.join("\n")
    )
}

fn notes(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let lines: String = notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("\nWhat was compared:\n\n{lines}")
}

fn anchor(section: &Section, question: &Question) -> String {
    format!("{}-{}", section.name, question.id)
}
