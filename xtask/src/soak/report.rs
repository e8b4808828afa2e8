//! The table of a run, and whether anything was wrong.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Plan;
use super::acts::Act;
use super::plant::{Fate, Story};
use super::sample::Measure;
use super::trend::Trend;

/// A whole run.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    took: Duration,
    stories: Vec<Story>,
}

impl Report {
    pub(super) fn new(plan: Plan, took: Duration, stories: Vec<Story>) -> Self {
        Self {
            plan,
            took,
            stories,
        }
    }

    /// # Errors
    /// When a request failed that no killed worker had, or something leaks.
    pub fn judge(&self) -> Result<()> {
        let mut faults = Vec::new();
        for story in &self.stories {
            let fate = story.fate.describe();
            if story.tally.failed > 0 {
                let reasons = story.tally.reasons.join("; ");
                faults.push(format!("{fate}: {} failed: {reasons}", story.tally.failed));
            }
            for (measure, trend) in story.trends() {
                if trend.is_leak {
                    faults.push(format!("{fate}: {} grows: {trend:?}", measure.name));
                }
            }
        }
        if !faults.is_empty() {
            bail!("{}", faults.join("\n"));
        }
        Ok(())
    }
}

impl Story {
    fn trends(&self) -> impl Iterator<Item = (Measure, Trend)> {
        let measures = self.samples.first().into_iter().flat_map(|one| &one.values);
        measures.filter_map(|(measure, _)| {
            let each = self.samples.iter().map(|sample| {
                let found = sample.values.iter().find(|(other, _)| other == measure);
                found.map_or(0, |(_, value)| *value)
            });
            let values: Vec<u64> = each.collect();
            Some((*measure, Trend::of(measure.kind, &values)?))
        })
    }
}

impl Fate {
    fn describe(self) -> &'static str {
        match self {
            Self::Killed => "the daemon that is killed",
            Self::Spared => "the daemon that lives all along",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.took.as_secs_f64() / 60.0;
        writeln!(f, "Soak of {minutes:.1} minutes, seed {}.", self.plan.seed)?;
        for story in &self.stories {
            writeln!(f, "\n### {}\n", story.fate.describe())?;
            write_events(f, story)?;
            write_measures(f, story)?;
            for (error, times) in &story.errors {
                writeln!(f, "- logged {times} times: `{}`", error.trim())?;
            }
        }
        Ok(())
    }
}

fn write_events(f: &mut fmt::Formatter<'_>, story: &Story) -> fmt::Result {
    writeln!(f, "| what happened | times |\n|---|---|")?;
    for act in Act::all() {
        let times = story.acts.iter().filter(|one| **one == act).count();
        if times > 0 {
            writeln!(f, "| {} | {times} |", act.describe())?;
        }
    }
    let tally = &story.tally;
    writeln!(
        f,
        "| requests that were answered with 200 | {} |",
        tally.answered
    )?;
    writeln!(
        f,
        "| requests that a killed worker had in its hands | {} |",
        tally.lost
    )?;
    writeln!(f, "| requests that failed otherwise | {} |", tally.failed)?;
    writeln!(
        f,
        "| the slowest request, ms | {} |\n",
        tally.slowest.as_millis()
    )
}

fn write_measures(f: &mut fmt::Formatter<'_>, story: &Story) -> fmt::Result {
    let samples = story.samples.len();
    writeln!(
        f,
        "| at rest, {samples} samples | first | last | lowest | highest | trend | verdict |"
    )?;
    writeln!(f, "|---|---|---|---|---|---|---|")?;
    for (measure, trend) in story.trends() {
        let Trend {
            first,
            last,
            lowest,
            highest,
            growth,
            is_leak,
        } = trend;
        let verdict = if is_leak { "**LEAK**" } else { "no leak" };
        let name = measure.name;
        writeln!(
            f,
            "| {name} | {first} | {last} | {lowest} | {highest} | {growth:+.1} | {verdict} |"
        )?;
    }
    writeln!(f)
}
