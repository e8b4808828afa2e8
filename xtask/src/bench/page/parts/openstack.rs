//! Neutron's path and metadatad on one cloud.

use anyhow::Result;

use super::comparison::{Comparisons, Sample};
use crate::bench::page::numbers::Unit;
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::compare;
use crate::bench::page::table::Table;

const NEUTRON: &str = "haproxy + Neutron's agent";
const OURS: &str = "metadatad";

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let comparisons: Comparisons = document.part()?;
    Ok(vec![
        rate(&comparisons),
        wait(&comparisons),
        cpu(&comparisons),
    ])
}

fn rate(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars("successful requests a second", Unit::Plain, Sample::rate);
    Question {
        id: "rate",
        heading: "How many requests a second does it answer with the real Neutron?".to_owned(),
        answer: compare(
            OURS,
            &comparisons.more(OURS, NEUTRON, Sample::rate),
            |times| format!("metadatad answers {times} as many requests as {NEUTRON}"),
        ),
        tables: vec![Table::of(&bars, "requests a second"), comparisons.ratios()],
        plot: bars.into(),
    }
}

fn wait(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars("median of the latency", Unit::Time, Sample::p50);
    let most = comparisons.bars("99th percentile of the latency", Unit::Time, Sample::p99);
    Question {
        id: "latency",
        heading: "How long does a request take with the real Neutron?".to_owned(),
        answer: compare(
            OURS,
            &comparisons.less(OURS, NEUTRON, Sample::p50),
            |times| format!("The median is {times} as long with {NEUTRON} as with metadatad"),
        ),
        tables: vec![
            Table::of(&bars, "median"),
            Table::of(&most, "99th percentile"),
        ],
        plot: bars.into(),
    }
}

fn cpu(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars(
        "CPU time of all processes behind the guest but Nova, for each request",
        Unit::Time,
        Sample::cpu,
    );
    Question {
        id: "cpu",
        heading: "How much CPU time does a request take with the real Neutron?".to_owned(),
        answer: compare(
            OURS,
            &comparisons.less(OURS, NEUTRON, Sample::cpu),
            |times| {
                format!(
                    "{NEUTRON}, with what they ask, take {times} as much as metadatad with what it asks"
                )
            },
        ),
        tables: vec![Table::of(&bars, ""), comparisons.processes()],
        plot: bars.into(),
    }
}
