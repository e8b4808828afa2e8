//! What guests notice of restarts, upgrades and kills.

use anyhow::Result;
use serde::Deserialize;

use crate::bench::page::numbers::{Unit, count};
use crate::bench::page::plot::bars::{Bars, Group, Row};
use crate::bench::page::results::Document;
use crate::bench::page::section::Question;
use crate::bench::page::sentences::list;
use crate::bench::page::table::Table;

#[derive(Debug, Deserialize)]
struct Restarts {
    acts: Vec<Act>,
}

/// One kind of thing that was done to the daemon.
#[derive(Debug, Deserialize)]
struct Act {
    act: String,
    times: usize,
    answered: usize,
    /// Met the end of a kept connection, and were sent again.
    #[serde(default)]
    closed_idle: usize,
    /// The same, while a worker was killed; among those below in results before this was
    /// told apart.
    #[serde(default)]
    in_flight_sent_again: usize,
    refused: usize,
    failed: usize,
    /// Cut off by a kill.
    in_flight: usize,
    p99_ms: f64,
    slowest_ms: f64,
}

pub(super) fn questions(document: &Document) -> Result<Vec<Question>> {
    let restarts: Restarts = document.part()?;
    Ok(vec![restarts.failures(), restarts.waits()])
}

impl Restarts {
    fn failures(&self) -> Question {
        let sum = |figure: fn(&Act) -> usize| count(self.acts.iter().map(figure).sum());
        let bars = self.bars("requests and connections", Unit::Count, |act| {
            vec![
                ("failed", number(act.failed)),
                ("refused connections", number(act.refused)),
                ("cut off by the kill, in flight", number(act.in_flight)),
            ]
        });
        Question {
            id: "failures",
            heading: "Does a request fail when the daemon is restarted, upgraded or killed?"
                .to_owned(),
            answer: format!(
                "Of {} requests that were answered or not, {} failed and {} connections were \
                 refused; kills cut off {} that were in flight.{}",
                sum(|act| act.answered + act.failed + act.refused + act.in_flight),
                sum(|act| act.failed),
                sum(|act| act.refused),
                sum(|act| act.in_flight),
                self.faults()
            ),
            tables: vec![self.table()],
            plot: bars.into(),
        }
    }

    /// Where something failed that had no reason to.
    fn faults(&self) -> String {
        let faulty = self.acts.iter().filter(|act| act.failed + act.refused > 0);
        let faulty: Vec<_> = faulty
            .map(|act| {
                format!(
                    "{} ({} failed, {} refused)",
                    act.act, act.failed, act.refused
                )
            })
            .collect();
        match faulty.is_empty() {
            true => String::new(),
            false => format!(
                " None should have failed or been refused: {}.",
                list(&faulty)
            ),
        }
    }

    fn waits(&self) -> Question {
        let bars = self.bars("time from when a request is due", Unit::Time, |act| {
            vec![
                ("99 of 100", act.p99_ms / 1e3),
                ("the slowest", act.slowest_ms / 1e3),
            ]
        });
        let slowest = |one: &&Act, other: &&Act| one.slowest_ms.total_cmp(&other.slowest_ms);
        let slowest = self.acts.iter().max_by(slowest);
        let answer = slowest.map_or(String::new(), |act| {
            format!(
                "At most {}, during {}, where 99 of 100 took {}.",
                Unit::Time.text(act.slowest_ms / 1e3),
                act.act,
                Unit::Time.text(act.p99_ms / 1e3),
            )
        });
        Question {
            id: "waits",
            heading: "How long does a request wait meanwhile?".to_owned(),
            answer,
            tables: vec![Table::of(&bars, "")],
            plot: bars.into(),
        }
    }

    fn bars(&self, caption: &str, unit: Unit, rows: fn(&Act) -> Vec<(&'static str, f64)>) -> Bars {
        let group = |act: &Act| Group {
            name: format!("{} × {}", count(act.times), act.act),
            rows: rows(act)
                .into_iter()
                .map(|(name, value)| Row::once(name, value))
                .collect(),
        };
        Bars {
            caption: caption.to_owned(),
            unit,
            groups: self.acts.iter().map(group).collect(),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "",
            "times",
            "answered",
            "failed",
            "refused",
            "in flight: lost",
            "sent again",
            "closed idle",
        ]);
        for act in &self.acts {
            let counts = [
                act.times,
                act.answered,
                act.failed,
                act.refused,
                act.in_flight,
                act.in_flight_sent_again,
                act.closed_idle,
            ];
            let name = std::iter::once(act.act.clone());
            table.row(name.chain(counts.map(count)).collect());
        }
        table
    }
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}
