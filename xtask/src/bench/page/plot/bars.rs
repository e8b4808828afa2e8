//! Rows of medians with the range in which all rounds are.

mod draw;

use super::Plot;
use crate::bench::page::numbers::Unit;
use crate::bench::statistics::Spread;

/// What a plot shows. Each row bears its name, so colours only help.
#[derive(Clone, Debug)]
pub(in crate::bench::page) struct Bars {
    /// What the figures are.
    pub(in crate::bench::page) caption: String,
    pub(in crate::bench::page) unit: Unit,
    pub(in crate::bench::page) groups: Vec<Group>,
}

/// Rows that are compared with each other.
#[derive(Clone, Debug)]
pub(in crate::bench::page) struct Group {
    /// What is the same for all of them; empty when there is one group only.
    pub(in crate::bench::page) name: String,
    pub(in crate::bench::page) rows: Vec<Row>,
}

/// A contender's figure.
#[derive(Clone, Debug)]
pub(in crate::bench::page) struct Row {
    pub(in crate::bench::page) name: String,
    pub(in crate::bench::page) value: Spread,
    /// What must not be overlooked, such as failed requests.
    pub(in crate::bench::page) remark: Option<String>,
}

impl Row {
    pub(in crate::bench::page) fn new(name: &str, value: Spread) -> Self {
        Self {
            name: name.to_owned(),
            value,
            remark: None,
        }
    }

    /// Something that was measured once.
    pub(in crate::bench::page) fn once(name: &str, value: f64) -> Self {
        Self::new(name, Spread::of([value].into_iter()))
    }

    pub(in crate::bench::page) fn remark(self, remark: Option<String>) -> Self {
        Self { remark, ..self }
    }

    fn with_remark(&self, figure: String) -> String {
        match &self.remark {
            Some(remark) => format!("{figure}, {remark}"),
            None => figure,
        }
    }
}

impl From<Bars> for Plot {
    fn from(bars: Bars) -> Self {
        Self::Bars(bars)
    }
}

impl Bars {
    /// Of one group, which needs no name.
    pub(in crate::bench::page) fn of(
        caption: &str,
        unit: Unit,
        rows: impl Iterator<Item = Row>,
    ) -> Self {
        let group = Group {
            name: String::new(),
            rows: rows.collect(),
        };
        Self {
            caption: caption.to_owned(),
            unit,
            groups: vec![group],
        }
    }

    /// The SVG, the same for the same figures.
    pub(in crate::bench::page) fn svg(&self, title: &str) -> String {
        draw::svg(self, title)
    }

    /// All figures in words, for those who do not see the plot.
    pub(in crate::bench::page) fn in_words(&self) -> String {
        let groups = self.groups.iter().map(|group| {
            let rows = group.rows.iter();
            let rows: Vec<_> = rows
                .map(|row| format!("{} {}", row.name, self.label(row)))
                .collect();
            let rows = rows.join("; ");
            match group.name.is_empty() {
                true => rows,
                false => format!("{}: {rows}", group.name),
            }
        });
        groups.collect::<Vec<_>>().join(". ")
    }

    /// What is written beside a row.
    fn label(&self, row: &Row) -> String {
        row.with_remark(self.unit.text(row.value.median))
    }

    /// The same with the range, as tables have it.
    pub(in crate::bench::page) fn exact(&self, row: &Row) -> String {
        row.with_remark(self.unit.range(row.value))
    }
}
