//! What many routers cost.

use anyhow::Result;
use serde::Deserialize;

use crate::bench::page::numbers::{Unit, count};
use crate::bench::page::plot::bars::{Bars, Row};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::{Advantage, compare};
use crate::bench::page::table::Table;
use crate::bench::statistics::Spread;
use crate::bench::usage::Memory;

const OURS: &str = "metadatad";
const NEUTRON: &str = "haproxy";

#[derive(Debug, Deserialize)]
struct Growths {
    growths: Vec<Growth>,
}

#[derive(Debug, Deserialize)]
struct Growth {
    name: String,
    routers: usize,
    one: Memory,
    all: Memory,
    kib_per_further_router: f64,
    seconds_until_all_answer: f64,
}

type Measure = fn(&Growth) -> f64;

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let growths: Growths = document.part()?;
    Ok(vec![growths.memory(), growths.time()])
}

impl Growths {
    fn memory(&self) -> Question {
        let measure: Measure = |growth| growth.kib_per_further_router;
        let bars = self.bars("memory (PSS) for each further router", Unit::Kib, measure);
        Question {
            id: "memory",
            heading: "How much memory does each further router take?".to_owned(),
            answer: self.answer(Unit::Kib, measure, "as much"),
            tables: vec![Table::of(&bars, ""), self.table()],
            plot: bars.into(),
        }
    }

    fn time(&self) -> Question {
        let measure: Measure = |growth| growth.seconds_until_all_answer;
        let routers = count(self.routers());
        let caption =
            format!("from the start of the first process until {routers} routers answered");
        let bars = self.bars(&caption, Unit::Time, measure);
        Question {
            id: "time",
            heading: format!("How long does it take until {routers} routers answer?"),
            answer: self.answer(Unit::Time, measure, "as long"),
            tables: vec![Table::of(&bars, "")],
            plot: bars.into(),
        }
    }

    fn answer(&self, unit: Unit, measure: Measure, how: &str) -> String {
        let [ours, theirs] = [OURS, NEUTRON].map(|name| self.find(name));
        let Some((ours, theirs)) = ours.zip(theirs) else {
            return format!("{OURS} and {NEUTRON} were not measured together.");
        };
        let (ours, theirs) = (measure(ours), measure(theirs));
        let less = Advantage {
            workload: format!("{} routers", self.routers()),
            times: Spread::of([theirs / ours].into_iter()),
        };
        let [ours, theirs] = [ours, theirs].map(|value| unit.text(value));
        compare(OURS, &[less], |times| {
            format!("It takes {ours} with {OURS} and {theirs} with {NEUTRON}, {times} {how}")
        })
    }

    fn routers(&self) -> usize {
        self.growths.first().map_or(0, |growth| growth.routers)
    }

    fn find(&self, name: &str) -> Option<&Growth> {
        self.growths.iter().find(|growth| growth.name == name)
    }

    fn bars(&self, caption: &str, unit: Unit, measure: Measure) -> Bars {
        let rows = self.growths.iter();
        let rows = rows.map(|growth| Row::once(&growth.name, measure(growth)));
        Bars::of(caption, unit, rows)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "",
            "PSS of 1",
            "RSS of 1",
            "PSS of all",
            "RSS of all",
            "private of all",
            "PSS for each further router",
            "until all answer",
        ]);
        for growth in &self.growths {
            let memory = [
                growth.one.pss_kib,
                growth.one.rss_kib,
                growth.all.pss_kib,
                growth.all.rss_kib,
                growth.all.private_kib,
            ];
            #[allow(clippy::cast_precision_loss, reason = "KiB of some processes")]
            let memory = memory.map(|kib| Unit::Kib.text(kib as f64));
            let name = format!("{} routers, {}", count(growth.routers), growth.name);
            let last = [
                Unit::Kib.text(growth.kib_per_further_router),
                Unit::Time.text(growth.seconds_until_all_answer),
            ];
            table.row([name].into_iter().chain(memory).chain(last).collect());
        }
        table
    }
}
