//! haproxy, metadatad and nginx in front of a constant answer.

use anyhow::Result;
use serde::Deserialize;

use super::comparison::{Comparisons, Sample};
use super::latency::Latency;
use crate::bench::page::numbers::Unit;
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::{compare, times};
use crate::bench::page::table::Table;

const NEUTRON: &str = "iptables + haproxy";
const OURS: &str = "metadatad";
const CACHED: &str = "metadatad, from cache";
const LIMIT: &str = "nginx alone";

#[derive(Debug, Deserialize)]
struct AtPartOfPeak {
    latency: Option<Latency>,
}

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let comparisons: Comparisons = document.part()?;
    let AtPartOfPeak { latency } = document.part()?;
    let always = [rate, wait, cpu].map(|question| question(&comparisons));
    let latency = latency.as_ref().map(Latency::question);
    Ok(always.into_iter().chain(latency).collect())
}

fn rate(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars("requests a second", Unit::Plain, Sample::rate);
    let more = |ours, peer| comparisons.more(ours, peer, Sample::rate);
    let answer = compare(OURS, &more(OURS, NEUTRON), |times| {
        format!("metadatad answers {times} as many requests as {NEUTRON}")
    });
    let limits = [(OURS, "metadatad"), (CACHED, "metadatad from its cache")];
    let limits = limits.map(|(name, whose)| (whose, more(name, LIMIT)));
    let limits = limits.iter().filter(|(_, more)| !more.is_empty());
    let limits = limits.map(|(whose, more)| {
        format!(
            " Against {LIMIT}, the limit here, {whose} answers {} as many.",
            times(more)
        )
    });
    Question {
        id: "rate",
        heading: "How many requests a second does the whole path answer?".to_owned(),
        answer: limits.fold(answer, |answer, limit| answer + &limit),
        tables: vec![Table::of(&bars, "requests a second"), comparisons.ratios()],
        plot: bars.into(),
    }
}

fn wait(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars("99th percentile of the latency", Unit::Time, Sample::p99);
    let half = comparisons.bars("median of the latency", Unit::Time, Sample::p50);
    Question {
        id: "latency",
        heading: "How long does the slowest hundredth of requests take?".to_owned(),
        answer: compare(
            OURS,
            &comparisons.less(OURS, NEUTRON, Sample::p99),
            |times| format!("With {NEUTRON} it takes {times} as long as with metadatad"),
        ),
        tables: vec![
            Table::of(&bars, "99th percentile"),
            Table::of(&half, "median"),
        ],
        plot: bars.into(),
    }
}

fn cpu(comparisons: &Comparisons) -> Question {
    let bars = comparisons.bars(
        "CPU time of the proxy for each request",
        Unit::Time,
        Sample::cpu,
    );
    Question {
        id: "cpu",
        heading: "How much CPU time does a request take?".to_owned(),
        answer: compare(
            OURS,
            &comparisons.less(OURS, NEUTRON, Sample::cpu),
            |times| {
                format!(
                    "haproxy takes {times} as much of it as metadatad, which also does the agent's work"
                )
            },
        ),
        tables: vec![Table::of(&bars, "of the proxy")],
        plot: bars.into(),
    }
}
