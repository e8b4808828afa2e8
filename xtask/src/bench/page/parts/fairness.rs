//! What a guest that floods does to others.

use anyhow::Result;
use serde::Deserialize;

use crate::bench::fairness::{AIM_ELSEWHERE, AIM_NEIGHBOUR};
use crate::bench::page::numbers::{Unit, figure};
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::{Advantage, at_most, compare, list, times_with_range};
use crate::bench::page::table::Table;
use crate::bench::statistics::{Spread, median};

const OURS: &str = "metadatad";
const NEUTRON: &str = "iptables + haproxy";
const NO_FLOOD: &str = "no flood";

#[derive(Debug, Deserialize)]
struct Fairness {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    flood: String,
    series: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    name: String,
    samples: Vec<Sample>,
    neighbour_ratio: Spread,
    elsewhere_ratio: Spread,
}

#[derive(Debug, Deserialize)]
struct Sample {
    neighbour: Latencies,
    elsewhere: Latencies,
}

#[derive(Debug, Deserialize)]
struct Latencies {
    p99_ms: f64,
    #[serde(default)]
    failed_share: f64,
}

/// One of those who do not flood.
struct Bystander {
    aim: f64,
    latencies: fn(&Sample) -> &Latencies,
    /// How many times as slow as without a flood.
    slower: fn(&Series) -> Spread,
}

const NEIGHBOUR: Bystander = Bystander {
    aim: AIM_NEIGHBOUR,
    latencies: |sample| &sample.neighbour,
    slower: |series| series.neighbour_ratio,
};

const ELSEWHERE: Bystander = Bystander {
    aim: AIM_ELSEWHERE,
    latencies: |sample| &sample.elsewhere,
    slower: |series| series.elsewhere_ratio,
};

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let fairness: Fairness = document.part()?;
    let neighbour = "How long does a guest wait whose neighbour on the same router floods?";
    let elsewhere = "How long does a guest wait while one behind another router floods?";
    Ok(vec![
        fairness.question("neighbour", neighbour, &NEIGHBOUR),
        fairness.question("elsewhere", elsewhere, &ELSEWHERE),
    ])
}

impl Fairness {
    fn question(&self, id: &'static str, heading: &str, who: &Bystander) -> Question {
        let bars = self.bars(who);
        let slowest = [OURS, NEUTRON].map(|name| self.slowest(name, who));
        let slowest: Vec<_> = slowest.into_iter().flatten().collect();
        let sides = compare(OURS, &self.less(who), |times| {
            format!("With {NEUTRON} it takes {times} as long as with {OURS}")
        });
        Question {
            id,
            heading: heading.to_owned(),
            answer: format!(
                "Compared with no flood, the slowest hundredth of its requests takes {}.{} {sides}",
                list(&slowest),
                self.missed(who),
            ),
            tables: vec![Table::of(&bars, "99th percentile"), self.table(who)],
            plot: bars.into(),
        }
    }

    fn bars(&self, who: &Bystander) -> Bars {
        let group = |case: &Case| Group {
            name: case.flood.clone(),
            rows: case.series.iter().map(|series| series.row(who)).collect(),
        };
        Bars {
            caption: "99th percentile of the latency; what fails counts as 5 s".to_owned(),
            unit: Unit::Time,
            groups: self.cases.iter().map(group).collect(),
        }
    }

    /// Each flood with what it does to those whom a contender serves.
    fn under_flood(&self, name: &str) -> impl Iterator<Item = (&str, &Series)> {
        let floods = self.cases.iter().filter(|case| case.flood != NO_FLOOD);
        floods.filter_map(move |case| {
            let series = case.series.iter().find(|series| series.name == name)?;
            Some((case.flood.as_str(), series))
        })
    }

    fn slowest(&self, name: &str, who: &Bystander) -> Option<String> {
        let slower = |(_, series): &(&str, &Series)| (who.slower)(series).median;
        let worst = self.under_flood(name);
        let (flood, series) = worst.max_by(|one, other| slower(one).total_cmp(&slower(other)))?;
        let times = figure((who.slower)(series).median);
        Some(format!("up to {times} times as long with {name} ({flood})"))
    }

    fn missed(&self, who: &Bystander) -> String {
        let is_missed = |(_, series): &(&str, &Series)| (who.slower)(series).median > who.aim;
        let missed = self.under_flood(OURS).filter(is_missed);
        let missed: Vec<_> = missed.map(|(flood, _)| flood.to_owned()).collect();
        let aim = Unit::Plain.tick(who.aim);
        match missed.is_empty() {
            true => format!(" metadatad's aim, at most {aim} times, is met."),
            false => {
                format!(
                    " metadatad's aim, at most {aim} times, is missed with {}.",
                    list(&missed)
                )
            }
        }
    }

    fn less(&self, who: &Bystander) -> Vec<Advantage> {
        let p99 = |sample: &Sample| (who.latencies)(sample).p99_ms;
        let advantage = |case: &Case| {
            let find = |name| case.series.iter().find(|series| series.name == name);
            let (theirs, ours) = (find(NEUTRON)?, find(OURS)?);
            let pairs = theirs.samples.iter().zip(&ours.samples);
            Some(Advantage {
                workload: case.flood.clone(),
                times: Spread::of(pairs.map(|(theirs, ours)| p99(theirs) / p99(ours))),
            })
        };
        self.cases.iter().filter_map(advantage).collect()
    }

    fn table(&self, who: &Bystander) -> Table {
        let mut table = Table::new(&["99th percentile", "of that without a flood", "aim"]);
        for case in self.cases.iter().filter(|case| case.flood != NO_FLOOD) {
            for series in &case.series {
                let slower = (who.slower)(series);
                table.row(vec![
                    format!("{}: {}", case.flood, series.name),
                    times_with_range(slower),
                    at_most(who.aim, slower.median, Unit::Plain),
                ]);
            }
        }
        table
    }
}

impl Series {
    fn row(&self, who: &Bystander) -> Row {
        let latencies = || self.samples.iter().map(who.latencies);
        let p99 = latencies().map(|latencies| latencies.p99_ms / 1e3);
        let failed = median(latencies().map(|latencies| latencies.failed_share));
        let remark = (failed > 0.0).then(|| format!("{} fail", Unit::Share.text(failed)));
        Row::new(&self.name, Spread::of(p99)).remark(remark)
    }
}
