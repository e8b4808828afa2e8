//! The table of a run, and whether anything was wrong.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Plan;
use super::acts::Act;
use super::load::Tally;
use super::plant::{Fate, PERMANENT, Story};
use super::sample::{Measure, Sample};
use super::trend::{Point, Trend, Verdict};

/// A guest that waits so long for one answer is not served, however busy the machine.
const STALLED: Duration = Duration::from_secs(15);

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
    /// When a request failed that no killed worker had, or something leaks, or a daemon
    /// that nobody touched did not live as if so, or did not come back or to rest.
    pub fn judge(&self) -> Result<()> {
        let mut faults = Vec::new();
        for story in &self.stories {
            let fate = story.fate.describe();
            let found = story.faults().into_iter();
            faults.extend(found.map(|fault| format!("{fate}: {fault}")));
        }
        if !faults.is_empty() {
            bail!("{}", faults.join("\n"));
        }
        Ok(())
    }
}

impl Story {
    fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_of_requests();
        if let Some(error) = &self.cut_short {
            faults.push(format!("it was cut short: {error:#}"));
        }
        if self.fate == Fate::Spared {
            faults.extend(self.faults_of_a_life());
        }
        let leaks = self
            .trends()
            .filter(|(_, trend)| trend.verdict == Verdict::Leak);
        faults.extend(leaks.map(|(measure, trend)| format!("{} grows: {trend:?}", measure.name)));
        faults
    }

    fn faults_of_requests(&self) -> Vec<String> {
        let (tally, mut faults) = (&self.tally, Vec::new());
        if tally.failed > 0 {
            faults.push(format!(
                "{} failed: {}",
                tally.failed,
                tally.reasons.join("; ")
            ));
        }
        let acts = self.acts.iter();
        let ends = acts.filter(|act| act.ends_a_worker()).count();
        if tally.sent_again > u64::try_from(ends * PERMANENT).unwrap_or(u64::MAX) {
            let ended = tally.sent_again;
            faults.push(format!(
                "{ended} connections were closed that {PERMANENT} guests went on using, and \
                 {ends} workers ended"
            ));
        }
        if tally.slowest > STALLED {
            faults.push(format!("a request took {:?}", tally.slowest));
        }
        faults
    }

    /// Of a daemon that nobody kills, restarts or reloads.
    fn faults_of_a_life(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let changed = |sample: &&Sample| sample.processes != self.began_with;
        if let Some(sample) = self.samples.iter().find(changed) {
            let Sample { at, processes, .. } = sample;
            let before = &self.began_with;
            let seconds = at.as_secs();
            faults.push(format!(
                "after {seconds} s it was {processes:?}, not {before:?}"
            ));
        }
        let errors = self.errors.iter();
        faults.extend(errors.map(|(error, _)| format!("it logged: {}", error.trim())));
        faults
    }

    fn trends(&self) -> impl Iterator<Item = (Measure, Trend)> {
        let measures = self.samples.first().into_iter().flat_map(|one| &one.values);
        measures.filter_map(|(measure, _)| {
            let each = self.samples.iter().map(|sample| {
                let found = sample.values.iter().find(|(other, _)| other == measure);
                (sample.at, found.map_or(0, |(_, value)| *value))
            });
            let points: Vec<Point> = each.collect();
            Some((*measure, Trend::of(measure.kind, &points)?))
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
    let Tally {
        answered,
        sent_again,
        lost,
        failed,
        slowest,
        ..
    } = &story.tally;
    writeln!(f, "| requests that were answered with 200 | {answered} |")?;
    writeln!(
        f,
        "| of these, sent again, as a kept connection had been closed | {sent_again} |"
    )?;
    writeln!(
        f,
        "| requests that the end of a killed worker cut off | {lost} |"
    )?;
    writeln!(f, "| requests that failed otherwise | {failed} |")?;
    let slowest = slowest.as_millis();
    writeln!(f, "| the slowest request, ms | {slowest} |\n")
}

fn write_measures(f: &mut fmt::Formatter<'_>, story: &Story) -> fmt::Result {
    let samples = story.samples.len();
    writeln!(
        f,
        "| at rest, {samples} samples | first | last | lowest | highest | an hour, once warm | verdict |"
    )?;
    writeln!(f, "|---|---|---|---|---|---|---|")?;
    for (measure, trend) in story.trends() {
        let Trend {
            first,
            last,
            lowest,
            highest,
            an_hour,
            verdict,
        } = trend;
        let name = measure.name;
        let an_hour = an_hour
            .map(|growth| format!("{growth:+.0}"))
            .unwrap_or_default();
        writeln!(
            f,
            "| {name} | {first} | {last} | {lowest} | {highest} | {an_hour} | {verdict} |"
        )?;
    }
    writeln!(f)
}
