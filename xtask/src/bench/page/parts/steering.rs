//! What ways of steering leave of one nginx's rate.

use anyhow::Result;

use super::comparison::{Comparisons, Sample};
use crate::bench::page::numbers::Unit;
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::compare;
use crate::bench::page::table::Table;

const NONE: &str = "no steering";
const IPTABLES: &str = "iptables REDIRECT";
const TC: &str = "TC steering";

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let comparisons: Comparisons = document.part()?;
    let bars = comparisons.bars("requests a second", Unit::Plain, Sample::rate);
    let answers = [IPTABLES, NONE].map(|peer| {
        let more = comparisons.more(TC, peer, Sample::rate);
        compare(TC, &more, |times| {
            format!("With {TC}, nginx answers {times} as many requests as with {peer}")
        })
    });
    Ok(vec![Question {
        id: "rate",
        heading: "What does steering alone leave of the rate?".to_owned(),
        answer: answers.join(" "),
        tables: vec![Table::of(&bars, "requests a second"), comparisons.ratios()],
        plot: bars.into(),
    }])
}
