//! What was shown, by the rows and columns of Neutron's features.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::super::place::Place;

/// Whose namespace it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Column {
    L3,
    Dhcp,
    Ovn,
}

const COLUMNS: [Column; 3] = [Column::L3, Column::Dhcp, Column::Ovn];

/// One thing that was seen to hold.
#[derive(Debug, Serialize)]
struct Shown {
    row: &'static str,
    column: Column,
    what: String,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    shown: Vec<Shown>,
    failed: Vec<String>,
    took: Vec<(String, Duration)>,
    /// Lines of figures, as they were measured.
    pub(super) measured: Vec<String>,
}

impl Ledger {
    /// Runs a scenario; what fails in it is told at the end.
    pub(super) fn run(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<()>) {
        eprintln!("      {name}");
        let start = Instant::now();
        let outcome = work(self);
        self.took.push((name.to_owned(), start.elapsed()));
        if let Err(error) = outcome {
            eprintln!("FAILED {name}: {error:#}");
            self.failed.push(format!("{name}: {error:#}"));
        }
    }

    /// Notes something that holds.
    pub(super) fn show(&mut self, row: &'static str, column: Column, what: impl Into<String>) {
        let what = what.into();
        eprintln!("         {row} ({column:?}): {what}");
        self.shown.push(Shown { row, column, what });
    }

    pub(super) fn print(&self) {
        println!("\n== What was shown with Neutron's real agents");
        println!("   {:<34} L3 DHCP OVN", "row");
        for (row, shown) in self.rows() {
            let marks = COLUMNS.map(|column| {
                let is_there = shown.iter().any(|shown| shown.column == column);
                if is_there { "x" } else { "-" }
            });
            let [l3, dhcp, ovn] = marks;
            println!("   {row:<34} {l3:<2} {dhcp:<4} {ovn:<3}");
            for Shown { column, what, .. } in shown {
                println!("      {column:?}: {what}");
            }
        }
        println!("\n== Measured");
        self.measured.iter().for_each(|line| println!("   {line}"));
        println!("\n== Scenarios");
        for (name, took) in &self.took {
            println!("   {name:<44} {:>5.1} s", took.as_secs_f64());
        }
        for failed in &self.failed {
            println!("   FAILED {failed}");
        }
    }

    fn rows(&self) -> BTreeMap<&'static str, Vec<&Shown>> {
        let mut rows: BTreeMap<_, Vec<&Shown>> = BTreeMap::new();
        for shown in &self.shown {
            rows.entry(shown.row).or_default().push(shown);
        }
        rows
    }

    /// Writes `lifecycle.json`.
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        let document =
            json!({ "shown": self.shown, "failed": self.failed, "measured": self.measured });
        let path = place.write("lifecycle.json", &format!("{document:#}\n"))?;
        eprintln!("      written to {}", path.display());
        Ok(())
    }

    /// # Errors
    /// When a scenario failed.
    pub(super) fn judge(&self) -> Result<()> {
        ensure!(
            self.failed.is_empty(),
            "with Neutron's real agents, this failed:\n{}",
            self.failed.join("\n")
        );
        Ok(())
    }
}
