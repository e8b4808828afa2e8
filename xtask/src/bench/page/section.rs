//! What the page is made of.

use super::plot::Plot;
use super::results::Conditions;
use super::table::Table;

/// One thing that somebody wants to know.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Of its part, in names of files and anchors.
    pub(super) id: &'static str,
    pub(super) heading: String,
    pub(super) answer: String,
    pub(super) plot: Plot,
    /// The exact figures.
    pub(super) tables: Vec<Table>,
}

/// A part of the benchmark.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// None when it was never measured.
    pub(super) findings: Option<Findings>,
}

/// What a part found.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    pub(super) conditions: Conditions,
    pub(super) repeats: Repeats,
    pub(super) notes: Vec<String>,
    pub(super) questions: Vec<Question>,
}

/// How often a part measures the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    InRounds,
    Never,
    /// Its tables say it.
    AsListed,
}

impl Section {
    /// Of a question's plot.
    pub(super) fn file(&self, question: &Question) -> String {
        format!("{}-{}.svg", self.name, question.id)
    }

    pub(super) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.findings
            .iter()
            .flat_map(|findings| &findings.questions)
    }
}
