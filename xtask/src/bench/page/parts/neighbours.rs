//! What is paid by packets that are only forwarded.

use anyhow::Result;
use serde::Deserialize;

use crate::bench::page::numbers::{Unit, figure};
use crate::bench::page::plot::bars::{Bars, Row};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::{at_least, list};
use crate::bench::page::table::Table;
use crate::bench::statistics::Spread;

/// The same twice: how far figures differ by chance.
const NOTHING: &str = "nothing";
/// Not forwarded at all, so not to be compared.
const SENDER: &str = "the sender alone";

#[derive(Debug, Deserialize)]
struct Neighbours {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    traffic: Traffic,
    series: Vec<Series>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Traffic {
    SmallPackets,
    Stream,
}

#[derive(Debug, Deserialize)]
struct Series {
    name: String,
    aim: Option<f64>,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    nanoseconds: f64,
    more_nanoseconds: f64,
    rate_ratio: f64,
}

type Measure = fn(&Sample) -> f64;

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let neighbours: Neighbours = document.part()?;
    let question = |case: &Case| match case.traffic {
        Traffic::SmallPackets => packets(case),
        Traffic::Stream => stream(case),
    };
    Ok(neighbours.cases.iter().map(question).collect())
}

fn packets(case: &Case) -> Question {
    let more = |sample: &Sample| sample.more_nanoseconds / 1e9;
    let told = case
        .contenders()
        .filter(|series| !series.name.starts_with(NOTHING));
    let told = told.map(|series| {
        let more = Unit::Time.text(series.spread(more).median);
        format!("{more} more with {}", series.name)
    });
    Question {
        id: "packets",
        heading: "How much longer does a packet take that is only forwarded?".to_owned(),
        answer: format!(
            "It takes {}.{}",
            list(&told.collect::<Vec<_>>()),
            case.aims()
        ),
        plot: case
            .bars(
                "time of a small UDP packet, more than with nothing",
                Unit::Time,
                more,
            )
            .into(),
        tables: vec![case.table("packets")],
    }
}

fn stream(case: &Case) -> Question {
    let told = case
        .contenders()
        .filter(|series| !series.name.starts_with(NOTHING));
    let told = told.map(|series| {
        let left = figure(series.spread(|sample| sample.rate_ratio).median);
        format!("{left} of it with {}", series.name)
    });
    Question {
        id: "stream",
        heading: "What is left of the rate of one TCP stream that is forwarded?".to_owned(),
        answer: format!(
            "There is {}.{}",
            list(&told.collect::<Vec<_>>()),
            case.aims()
        ),
        plot: case
            .bars(
                "rate of one TCP stream, of that with nothing",
                Unit::Plain,
                |sample| sample.rate_ratio,
            )
            .into(),
        tables: vec![case.table("KiB")],
    }
}

impl Case {
    fn contenders(&self) -> impl Iterator<Item = &Series> {
        let is_one = |series: &&Series| ![NOTHING, SENDER].contains(&series.name.as_str());
        self.series.iter().filter(is_one)
    }

    fn bars(&self, caption: &str, unit: Unit, measure: Measure) -> Bars {
        let rows = self.contenders();
        let rows = rows.map(|series| Row::new(&series.name, series.spread(measure)));
        Bars::of(caption, unit, rows)
    }

    fn aims(&self) -> String {
        let aims = self.series.iter().filter_map(|series| {
            let left = series.spread(|sample| sample.rate_ratio).median;
            let verdict = at_least(series.aim?, left);
            Some(format!(
                " Of the rate, {} is left with {} (aim {verdict}).",
                figure(left),
                series.name
            ))
        });
        aims.collect()
    }

    fn table(&self, unit: &str) -> Table {
        let mut table = Table::new(&[
            "",
            &format!("{unit} a second"),
            "time of one",
            "more",
            "of the rate with nothing",
            "aim",
        ]);
        for series in &self.series {
            let nanoseconds = series.spread(|sample| sample.nanoseconds).median;
            let more = series.spread(|sample| sample.more_nanoseconds).median;
            let left = series.spread(|sample| sample.rate_ratio);
            table.row(vec![
                series.name.clone(),
                figure(1e9 / nanoseconds),
                Unit::Time.text(nanoseconds / 1e9),
                Unit::Time.text(more / 1e9),
                Unit::Plain.range(left),
                series
                    .aim
                    .map_or(String::new(), |aim| at_least(aim, left.median)),
            ]);
        }
        table
    }
}

impl Series {
    fn spread(&self, measure: Measure) -> Spread {
        Spread::of(self.samples.iter().map(measure))
    }
}
