//! What contenders under the same workloads left, whatever they are.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bench::page::numbers::Unit;
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::sentences::{Advantage, at_least};
use crate::bench::page::table::Table;
use crate::bench::statistics::{Spread, median};

#[derive(Debug, Deserialize)]
pub(super) struct Comparisons {
    pub(super) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Case {
    workload: Workload,
    pub(super) series: Vec<Series>,
    #[serde(default)]
    ratios: Vec<Ratio>,
}

#[derive(Debug, Deserialize)]
struct Workload {
    connections: usize,
    keep_alive: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Series {
    pub(super) name: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    requests_per_second: f64,
    #[serde(default)]
    failed_share: f64,
    p50_us: f64,
    p99_us: f64,
    #[serde(default)]
    process_us: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
struct Ratio {
    of: String,
    to: String,
    value: Spread,
    aim: Option<f64>,
}

/// A figure of one run.
pub(super) type Measure = fn(&Sample) -> f64;

impl Sample {
    pub(super) fn rate(&self) -> f64 {
        self.requests_per_second
    }

    /// Half of the requests take no longer; seconds.
    pub(super) fn p50(&self) -> f64 {
        self.p50_us / 1e6
    }

    /// All but a hundredth of the requests take no longer; seconds.
    pub(super) fn p99(&self) -> f64 {
        self.p99_us / 1e6
    }

    /// CPU time for each request of whatever is not the other contenders' too; seconds.
    pub(super) fn cpu(&self) -> f64 {
        let proxy = self.process_us.get("proxy").copied();
        proxy.unwrap_or_else(|| self.process_us.values().sum()) / 1e6
    }
}

impl Comparisons {
    pub(super) fn bars(&self, caption: &str, unit: Unit, measure: Measure) -> Bars {
        let group = |case: &Case| Group {
            name: case.workload.name(),
            rows: case
                .series
                .iter()
                .map(|series| series.row(measure))
                .collect(),
        };
        Bars {
            caption: caption.to_owned(),
            unit,
            groups: self.cases.iter().map(group).collect(),
        }
    }

    /// How many times as much as `peer` `ours` does; nothing when one was not measured.
    pub(super) fn more(&self, ours: &str, peer: &str, measure: Measure) -> Vec<Advantage> {
        self.times(ours, peer, measure)
    }

    /// How many times as little as `peer` `ours` takes.
    pub(super) fn less(&self, ours: &str, peer: &str, measure: Measure) -> Vec<Advantage> {
        self.times(peer, ours, measure)
    }

    fn times(&self, of: &str, to: &str, measure: Measure) -> Vec<Advantage> {
        let of_case = |case: &Case| {
            let (of, to) = (case.find(of)?, case.find(to)?);
            let pairs = of.samples.iter().zip(&to.samples);
            let ratios = pairs.map(|(of, to)| measure(of) / measure(to));
            Some(Advantage {
                workload: case.workload.name(),
                times: Spread::of(ratios),
            })
        };
        self.cases.iter().filter_map(of_case).collect()
    }

    /// What the part itself compares, with its aims.
    pub(super) fn ratios(&self) -> Table {
        let mut table = Table::new(&["requests a second", "ratio within a round", "aim"]);
        for case in &self.cases {
            for ratio in &case.ratios {
                table.row(vec![
                    format!("{}: {} to {}", case.workload.name(), ratio.of, ratio.to),
                    Unit::Plain.range(ratio.value),
                    ratio
                        .aim
                        .map_or(String::new(), |aim| at_least(aim, ratio.value.median)),
                ]);
            }
        }
        table
    }

    /// CPU time for each request by process.
    pub(super) fn processes(&self) -> Table {
        let mut table = Table::new(&["CPU time for each request", "by process"]);
        for case in &self.cases {
            for series in &case.series {
                let name = format!("{}: {}", case.workload.name(), series.name);
                table.row(vec![name, series.processes()]);
            }
        }
        table
    }
}

impl Case {
    fn find(&self, name: &str) -> Option<&Series> {
        let found = self.series.iter().find(|series| series.name == name)?;
        (!found.samples.is_empty()).then_some(found)
    }
}

impl Series {
    fn row(&self, measure: Measure) -> Row {
        let failed = median(self.samples.iter().map(|sample| sample.failed_share));
        let remark = (failed > 0.0).then(|| format!("{} fail", Unit::Share.text(failed)));
        let value = Spread::of(self.samples.iter().map(measure));
        Row::new(&self.name, value).remark(remark)
    }

    fn processes(&self) -> String {
        let names = self.samples.iter().take(1);
        let names = names.flat_map(|sample| sample.process_us.keys());
        let used = names.map(|name| {
            let of_name = |sample: &Sample| sample.process_us.get(name).copied();
            let used = median(self.samples.iter().filter_map(of_name));
            format!("{name} {}", Unit::Time.text(used / 1e6))
        });
        used.collect::<Vec<_>>().join(", ")
    }
}

impl Workload {
    fn name(&self) -> String {
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            several => format!("{several} connections"),
        };
        match self.keep_alive {
            true => format!("keep-alive, {connections}"),
            false => format!("a connection per request, {connections}"),
        }
    }
}
