//! How long answers take at a part of the rate that a contender can do.

use serde::Deserialize;

use crate::bench::page::numbers::Unit;
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::section::Question;
use crate::bench::page::sentences::{at_most, list, times_with_range};
use crate::bench::page::table::Table;
use crate::bench::statistics::Spread;

/// Of whom the answer tells; the others are in the plot.
const TOLD: [&str; 3] = ["metadatad", "iptables + haproxy", "nginx alone"];

#[derive(Debug, Deserialize)]
pub(super) struct Latency {
    /// Parts of a contender's own peak.
    unloaded: f64,
    loaded: f64,
    aim: f64,
    contenders: Vec<Contender>,
}

#[derive(Debug, Deserialize)]
struct Contender {
    name: String,
    unloaded: Percentiles,
    loaded: Percentiles,
    /// p99 under load, of the p99 without.
    ratio: Spread,
}

#[derive(Debug, Deserialize)]
struct Percentiles {
    p50_us: f64,
    p99_us: f64,
}

impl Latency {
    pub(super) fn question(&self) -> Question {
        let contenders = self.contenders.iter();
        let told = contenders.filter(|one| TOLD.contains(&one.name.as_str()));
        let told = told.map(|contender| {
            let times = times_with_range(contender.ratio);
            format!("{times} as long with {}", contender.name)
        });
        let [unloaded, loaded] = self.parts();
        Question {
            id: "loaded",
            heading: format!("How much longer does it take at {loaded} of the peak?"),
            answer: format!(
                "Compared with {unloaded} of the peak, the slowest hundredth takes {}.",
                list(&told.collect::<Vec<_>>())
            ),
            tables: vec![self.table()],
            plot: self.bars().into(),
        }
    }

    fn parts(&self) -> [String; 2] {
        [self.unloaded, self.loaded].map(|part| Unit::Share.tick(part))
    }

    fn bars(&self) -> Bars {
        let group = |part: &str, at: fn(&Contender) -> &Percentiles| Group {
            name: format!("at {part} of its own peak"),
            rows: self
                .contenders
                .iter()
                .map(|contender| Row::once(&contender.name, at(contender).p99_us / 1e6))
                .collect(),
        };
        let [unloaded, loaded] = self.parts();
        Bars {
            caption: "99th percentile of the latency, from the time when a request is due"
                .to_owned(),
            unit: Unit::Time,
            groups: vec![
                group(&unloaded, |contender| &contender.unloaded),
                group(&loaded, |contender| &contender.loaded),
            ],
        }
    }

    fn table(&self) -> Table {
        let [unloaded, loaded] = self.parts();
        let mut table = Table::new(&[
            "",
            &format!("median, 99th percentile at {unloaded}"),
            &format!("at {loaded}"),
            "99th percentile, of that before",
            "aim",
        ]);
        for contender in &self.contenders {
            table.row(vec![
                contender.name.clone(),
                contender.unloaded.text(),
                contender.loaded.text(),
                times_with_range(contender.ratio),
                at_most(self.aim, contender.ratio.median, Unit::Plain),
            ]);
        }
        table
    }
}

impl Percentiles {
    fn text(&self) -> String {
        let [half, most] = [self.p50_us, self.p99_us].map(|us| Unit::Time.text(us / 1e6));
        format!("{half}, {most}")
    }
}
