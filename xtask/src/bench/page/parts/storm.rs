//! A thousand guests that boot at once.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::bench::page::numbers::{Unit, count};
use crate::bench::page::plot::Plot;
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::plot::curves::{Curve, Curves};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::list;
use crate::bench::page::table::Table;
use crate::bench::statistics::{Spread, median};

#[derive(Debug, Deserialize)]
struct Storm {
    guests: usize,
    spread_seconds: f64,
    limit_seconds: f64,
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    lane: String,
    /// Seconds until so many of the guests had everything, if they ever had.
    half: Option<f64>,
    most: Option<f64>,
    all: Option<f64>,
    /// Crawls that cloud-init would have given up.
    failed_crawls: u32,
    /// Guests that would have booted without their metadata.
    stranded: u32,
    #[serde(default)]
    cpu: BTreeMap<String, f64>,
    /// When each guest that had everything had it.
    complete: Vec<f64>,
}

/// What no way to Nova can be quicker than.
const BOUND: &str = "Nova alone";

/// Until how many of the guests have everything.
type Until = fn(&Run) -> Option<f64>;

const UNTIL: [(&str, Until); 3] = [
    ("half of the guests", |run| run.half),
    ("95 of 100", |run| run.most),
    ("the last one", |run| run.all),
];

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let storm: Storm = document.part()?;
    Ok(vec![storm.over_time(), storm.until()])
}

impl Storm {
    fn over_time(&self) -> Question {
        let lanes = self.lanes().filter(|lane| !lane.starts_with(BOUND));
        let told: Vec<_> = lanes.map(|lane| self.failures(lane)).collect();
        let curves = self.runs.iter().map(|run| Curve {
            name: run.lane.clone(),
            at: run.complete.clone(),
        });
        Question {
            id: "over-time",
            heading: "Do all guests get their metadata when all boot at once?".to_owned(),
            answer: format!(
                "Of {} guests that boot within {}, {}.",
                count(self.guests),
                Unit::Time.tick(self.spread_seconds),
                list(&told)
            ),
            plot: Plot::Curves(Curves {
                caption: "guests that have all their metadata, by the time since the first booted"
                    .to_owned(),
                of: self.guests,
                curves: curves.collect(),
            }),
            tables: vec![self.table()],
        }
    }

    fn failures(&self, lane: &str) -> String {
        let runs = || self.runs.iter().filter(|run| run.lane == lane);
        let worst = |figure: fn(&Run) -> u32| runs().map(figure).max().unwrap_or(0);
        let (stranded, failed) = (worst(|run| run.stranded), worst(|run| run.failed_crawls));
        match (stranded, failed) {
            (0, 0) => format!("none boots without it with {lane}"),
            (0, failed) => format!("none boots without it with {lane} ({failed} failed crawls)"),
            (stranded, _) => format!("{stranded} boot without it with {lane}"),
        }
    }

    fn until(&self) -> Question {
        let groups = UNTIL.map(|(name, until)| Group {
            name: name.to_owned(),
            rows: self.lanes().map(|lane| self.row(lane, until)).collect(),
        });
        let bars = Bars {
            caption: "time since the first guest booted".to_owned(),
            unit: Unit::Time,
            groups: groups.into(),
        };
        let last = bars.groups.last().into_iter().flat_map(|group| &group.rows);
        let told: Vec<_> = last
            .map(|row| match &row.remark {
                None => format!(
                    "after {} with {}",
                    Unit::Time.text(row.value.median),
                    row.name
                ),
                Some(remark) => format!("not yet with {} ({remark})", row.name),
            })
            .collect();
        Question {
            id: "until",
            heading: "How long does it take until the last guest has all its metadata?".to_owned(),
            answer: format!("It has it {}.", list(&told)),
            tables: vec![Table::of(&bars, "")],
            plot: bars.into(),
        }
    }

    /// Names, in the order in which they ran.
    fn lanes(&self) -> impl Iterator<Item = &str> {
        let is_first = |(number, run): &(usize, &Run)| {
            !self
                .runs
                .iter()
                .take(*number)
                .any(|earlier| earlier.lane == run.lane)
        };
        let first = self.runs.iter().enumerate().filter(is_first);
        first.map(|(_, run)| run.lane.as_str())
    }

    /// What was not reached is where the wait ended.
    fn row(&self, lane: &str, until: Until) -> Row {
        let runs: Vec<_> = self.runs.iter().filter(|run| run.lane == lane).collect();
        let unreached = runs.iter().filter(|run| until(run).is_none());
        let fewest = unreached.map(|run| run.complete.len()).min();
        let remark = fewest
            .map(|complete| format!("only {} of {} had it", count(complete), count(self.guests)));
        let times = runs
            .iter()
            .map(|run| until(run).unwrap_or(self.limit_seconds));
        Row::new(lane, Spread::of(times)).remark(remark)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "of each run",
            "guests with everything",
            "failed crawls",
            "guests without",
            "CPU time by process",
        ]);
        for lane in self.lanes() {
            let runs: Vec<_> = self.runs.iter().filter(|run| run.lane == lane).collect();
            let all = |text: fn(&Run) -> String| {
                let texts: Vec<_> = runs.iter().map(|run| text(run)).collect();
                texts.join(", ")
            };
            table.row(vec![
                lane.to_owned(),
                all(|run| count(run.complete.len())),
                all(|run| run.failed_crawls.to_string()),
                all(|run| run.stranded.to_string()),
                cpu(&runs),
            ]);
        }
        table
    }
}

/// Medians of the runs.
fn cpu(runs: &[&Run]) -> String {
    let names = runs.iter().take(1).flat_map(|run| run.cpu.keys());
    let used = names.map(|name| {
        let seconds = median(runs.iter().filter_map(|run| run.cpu.get(name).copied()));
        format!("{name} {}", Unit::Time.text(seconds))
    });
    used.collect::<Vec<_>>().join(", ")
}
