//! Tables in Markdown.

use super::plot::bars::{Bars, Row};

/// A head and rows of as many cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    is_prose: bool,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
            is_prose: false,
        }
    }

    /// With text on the left.
    pub(super) fn in_prose(self) -> Self {
        Self {
            is_prose: true,
            ..self
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The exact figures of a plot: a line for each group, a column for each name; or a
    /// line for each name when there is nothing to group.
    pub(super) fn of(bars: &Bars, groups: &str) -> Self {
        if let [group] = bars.groups.as_slice() {
            let mut table = Self::new(&[groups, &bars.caption]);
            for row in &group.rows {
                table.row(vec![row.name.clone(), bars.exact(row)]);
            }
            return table;
        }
        let mut names: Vec<&str> = Vec::new();
        for row in bars.groups.iter().flat_map(|group| &group.rows) {
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        let mut table = Self::new(&[&[groups], names.as_slice()].concat());
        for group in &bars.groups {
            let find = |name: &&str| group.rows.iter().find(|row| row.name == **name);
            let cell = |row: Option<&Row>| row.map_or(String::new(), |row| bars.exact(row));
            let cells = names.iter().map(|name| cell(find(name)));
            let first = std::iter::once(group.name.clone());
            table.row(first.chain(cells).collect());
        }
        table
    }

    /// Figures are on the right, what they are of is on the left.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = self
            .head
            .iter()
            .enumerate()
            .map(|(column, _)| match column {
                0 => "---".to_owned(),
                _ if self.is_prose => "---".to_owned(),
                _ => "---:".to_owned(),
            });
        let rule = rule.collect::<Vec<_>>();
        let rows: String = self.rows.iter().map(|cells| line(cells)).collect();
        format!("{}{}{rows}", line(&self.head), line(&rule))
    }
}
