//! The parts of the benchmark in the order of the page, and what each is asked.

mod comparison;
mod fairness;
mod latency;
mod memory;
mod neighbours;
mod openstack;
mod path;
mod restarts;
mod scale;
mod steering;
mod storm;

use std::path::Path;

use anyhow::Result;

use super::results::Document;
use super::section::{Findings, Question, Repeats, Section};

struct Part {
    /// Of `--only`, and of its document.
    name: &'static str,
    title: &'static str,
    repeats: Repeats,
    questions: fn(&Document) -> Result<Vec<Question>>,
}

const PARTS: &[Part] = &[
    Part {
        name: "openstack",
        title: "With the real Neutron",
        repeats: Repeats::InRounds,
        questions: openstack::questions,
    },
    Part {
        name: "storm",
        title: "A boot storm",
        repeats: Repeats::AsListed,
        questions: storm::questions,
    },
    Part {
        name: "path",
        title: "The whole path, in front of a constant answer",
        repeats: Repeats::InRounds,
        questions: path::questions,
    },
    Part {
        name: "restarts",
        title: "Restarts, upgrades and kills",
        repeats: Repeats::AsListed,
        questions: restarts::questions,
    },
    Part {
        name: "memory",
        title: "Many routers, one after the other",
        repeats: Repeats::Never,
        questions: memory::questions,
    },
    Part {
        name: "scale",
        title: "Ten routers and ten thousand",
        repeats: Repeats::Never,
        questions: scale::questions,
    },
    Part {
        name: "neighbours",
        title: "Neighbours' traffic, which is only forwarded",
        repeats: Repeats::InRounds,
        questions: neighbours::questions,
    },
    Part {
        name: "fairness",
        title: "Guests that flood",
        repeats: Repeats::InRounds,
        questions: fairness::questions,
    },
    Part {
        name: "steering",
        title: "Steering alone",
        repeats: Repeats::InRounds,
        questions: steering::questions,
    },
];

/// All parts as far as they were measured.
///
/// # Errors
/// When a document cannot be understood.
pub(super) fn sections(results: &Path) -> Result<Vec<Section>> {
    PARTS.iter().map(|part| part.section(results)).collect()
}

impl Part {
    fn section(&self, results: &Path) -> Result<Section> {
        let document = Document::read(results, self.name)?;
        Ok(Section {
            name: self.name,
            title: self.title,
            findings: document
                .map(|document| self.findings(&document))
                .transpose()?,
        })
    }

    fn findings(&self, document: &Document) -> Result<Findings> {
        Ok(Findings {
            conditions: document.conditions()?,
            repeats: self.repeats,
            notes: document.notes(),
            questions: (self.questions)(document)?,
        })
    }
}
