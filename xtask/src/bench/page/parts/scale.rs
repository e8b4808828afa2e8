//! Ten routers and ten thousand.

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::bench::page::numbers::{Unit, count, figure};
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::table::Table;

const OURS: &str = "metadatad";
const HAPROXY: &str = "haproxy";

#[derive(Debug, Deserialize)]
struct Scale {
    metadatad: Vec<Size>,
    #[serde(default)]
    haproxy: Vec<Haproxies>,
}

/// metadatad with so many routers.
#[derive(Debug, Deserialize)]
struct Size {
    routers: usize,
    cold_start_seconds: f64,
    newcomer_p50_ms: f64,
    newcomer_p99_ms: f64,
    /// Beyond those with the smallest number of routers.
    kib_per_further_router: Option<f64>,
    idle: Idle,
}

#[derive(Debug, Deserialize)]
struct Idle {
    switches_per_second: f64,
    cpu_us_per_second: f64,
}

/// A haproxy for each of so many routers.
#[derive(Debug, Deserialize)]
struct Haproxies {
    routers: usize,
    seconds_to_start: f64,
    kib_per_router: f64,
}

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let scale: Scale = document.part()?;
    let mut questions = vec![
        scale.newcomer(),
        scale.cold_start(),
        scale.memory(),
        scale.idle(),
    ];
    if let Some(last) = questions.last_mut() {
        last.tables.push(all_figures(document.raw()));
    }
    Ok(questions)
}

impl Scale {
    fn newcomer(&self) -> Question {
        let bars = self.bars(
            "from its namespace's name to its guest's first answer",
            Unit::Time,
            |size| {
                vec![
                    Row::once("metadatad, half of them", size.newcomer_p50_ms / 1e3),
                    Row::once("metadatad, 99 of 100", size.newcomer_p99_ms / 1e3),
                ]
            },
        );
        let answer = self.metadatad.last().map_or(String::new(), |largest| {
            format!(
                "Beside {} others, half of the new ones are answered within {} and 99 of 100 within {}.",
                count(largest.routers),
                Unit::Time.text(largest.newcomer_p50_ms / 1e3),
                Unit::Time.text(largest.newcomer_p99_ms / 1e3),
            )
        });
        question(
            "newcomer",
            "How long does a new router wait until it is served?",
            answer,
            bars,
        )
    }

    fn cold_start(&self) -> Question {
        let bars = self.bars(
            "from the start of the first process until all routers are served",
            Unit::Time,
            |size| {
                let haproxies = self.haproxies(size.routers);
                let theirs =
                    haproxies.map(|haproxies| Row::once(HAPROXY, haproxies.seconds_to_start));
                let ours = Row::once(OURS, size.cold_start_seconds);
                theirs.into_iter().chain([ours]).collect()
            },
        );
        let largest = self.metadatad.last().map(|largest| {
            let took = Unit::Time.text(largest.cold_start_seconds);
            format!(
                "metadatad serves {} routers after {took}.",
                count(largest.routers)
            )
        });
        let beside = self.beside().map(|(theirs, ours)| {
            format!(
                "To start {} haproxies takes {} times as long as metadatad takes to serve as many routers.",
                count(theirs.routers),
                figure(theirs.seconds_to_start / ours.cold_start_seconds),
            )
        });
        let answer = largest
            .into_iter()
            .chain(beside)
            .collect::<Vec<_>>()
            .join(" ");
        question(
            "cold-start",
            "How long does it take from a cold start until all are served?",
            answer,
            bars,
        )
    }

    fn memory(&self) -> Question {
        let caption = "memory for each router: metadatad's with the kernel's part; haproxy's PSS, \
                       without it";
        let bars = self.bars(caption, Unit::Kib, |size| {
            let haproxies = self.haproxies(size.routers);
            let theirs = haproxies.map(|haproxies| Row::once(HAPROXY, haproxies.kib_per_router));
            let ours = size
                .kib_per_further_router
                .filter(|_| !self.is_smallest(size));
            let ours = ours.map(|kib| Row::once(OURS, kib));
            theirs.into_iter().chain(ours).collect()
        });
        let ours = self.metadatad.last().and_then(|largest| {
            let kib = Unit::Kib.text(largest.kib_per_further_router?);
            Some(format!(
                "With {} routers, metadatad takes {kib} for each",
                count(largest.routers)
            ))
        });
        let theirs = self.haproxy.last().map(|haproxies| {
            format!(
                "{HAPROXY} takes {}",
                Unit::Kib.text(haproxies.kib_per_router)
            )
        });
        let answer: Vec<_> = ours.into_iter().chain(theirs).collect();
        let answer = format!("{}.", answer.join("; "));
        question(
            "memory",
            "How much memory does a router take among many?",
            answer,
            bars,
        )
    }

    fn idle(&self) -> Question {
        let bars = self.bars(
            "CPU time in each second in which nothing happens",
            Unit::Time,
            |size| vec![Row::once(OURS, size.idle.cpu_us_per_second / 1e6)],
        );
        let answer = self.metadatad.last().map_or(String::new(), |largest| {
            format!(
                "With {} routers, metadatad takes {} of CPU time a second, in {} wake-ups.",
                count(largest.routers),
                Unit::Time.text(largest.idle.cpu_us_per_second / 1e6),
                figure(largest.idle.switches_per_second),
            )
        });
        question(
            "idle",
            "What does it cost while nothing happens?",
            answer,
            bars,
        )
    }

    /// A group for each number of routers of which something is known.
    fn bars(&self, caption: &str, unit: Unit, rows: impl Fn(&Size) -> Vec<Row>) -> Bars {
        let group = |size: &Size| Group {
            name: format!("{} routers", count(size.routers)),
            rows: rows(size),
        };
        let groups = self.metadatad.iter().map(group);
        Bars {
            caption: caption.to_owned(),
            unit,
            groups: groups.filter(|group| !group.rows.is_empty()).collect(),
        }
    }

    fn haproxies(&self, routers: usize) -> Option<&Haproxies> {
        self.haproxy
            .iter()
            .find(|haproxies| haproxies.routers == routers)
    }

    /// The largest number with which both were measured.
    fn beside(&self) -> Option<(&Haproxies, &Size)> {
        let sizes = self.metadatad.iter().rev();
        sizes
            .filter_map(|size| Some((self.haproxies(size.routers)?, size)))
            .next()
    }

    /// Of which it cannot be said what is beyond the smallest.
    fn is_smallest(&self, size: &Size) -> bool {
        self.metadatad
            .first()
            .is_some_and(|first| first.routers == size.routers)
    }
}

fn question(id: &'static str, heading: &str, answer: String, bars: Bars) -> Question {
    Question {
        id,
        heading: heading.to_owned(),
        answer,
        tables: vec![Table::of(&bars, "")],
        plot: bars.into(),
    }
}

/// Whatever was measured, also what this page knows nothing of: a column for each number
/// of routers.
fn all_figures(part: &Value) -> Table {
    let sizes = part.get("metadatad").and_then(Value::as_array);
    let columns: Vec<_> = sizes
        .into_iter()
        .flatten()
        .map(|size| leaves("", size))
        .collect();
    let head = columns.iter().map(|column| find(column, "routers"));
    let head: Vec<_> = ["all figures".to_owned()].into_iter().chain(head).collect();
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    let names = columns
        .last()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    for name in names.filter(|name| *name != "routers") {
        let cells = columns.iter().map(|column| find(column, name));
        table.row([name.to_owned()].into_iter().chain(cells).collect());
    }
    table
}

fn leaves(name: &str, value: &Value) -> Vec<(String, f64)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(field, value)| {
                let field = field.replace('_', " ");
                leaves(format!("{name} {field}").trim(), value)
            })
            .collect(),
        other => other
            .as_f64()
            .map(|figure| (name.to_owned(), figure))
            .into_iter()
            .collect(),
    }
}

fn find(column: &[(String, f64)], name: &str) -> String {
    let found = column.iter().find(|(this, _)| this == name);
    found.map_or(String::new(), |(_, value)| figure(*value))
}
