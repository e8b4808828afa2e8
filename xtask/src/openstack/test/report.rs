//! The comparison as a table and as JSON.

use std::collections::BTreeSet;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::combination::Combination;
use super::comparison::Verdict;
use super::handover::Handover;
use super::outcome::Outcome;
use super::request::Request;
use crate::openstack::agent_list::Agent;
use crate::openstack::place::Place;

/// One combination, tried.
pub(super) struct Run {
    pub(super) combination: Combination,
    /// Of the times that the requests took.
    pub(super) median: Duration,
    /// One of each request; none where it cannot be asked.
    /// What cloud-init found otherwise than by Neutron's hops.
    pub(super) cloud_init: Vec<String>,
    pub(super) outcomes: Vec<Option<Outcome>>,
    pub(super) verdicts: Vec<Option<Verdict>>,
}

/// All of them.
pub(super) struct Report<'a> {
    pub(super) requests: &'a [Request],
    pub(super) runs: Vec<Run>,
    pub(super) handovers: Vec<Handover>,
    /// Ours, as Neutron's server saw it.
    pub(super) agent: Option<Agent>,
}

impl<'a> Report<'a> {
    pub(super) fn new(requests: &'a [Request]) -> Self {
        Self {
            requests,
            runs: Vec::new(),
            handovers: Vec::new(),
            agent: None,
        }
    }

    /// # Errors
    /// When anything is otherwise than with Neutron's hops and nothing explains it.
    pub(super) fn judge(&self) -> Result<()> {
        let is_different = |(_, verdict): (_, &Verdict)| matches!(verdict, Verdict::Different);
        ensure!(
            !self.verdicts().any(is_different),
            "metadatad answers otherwise than Neutron, and nothing explains it"
        );
        ensure!(
            self.runs.iter().all(|run| run.cloud_init.is_empty()),
            "cloud-init finds something else than with Neutron"
        );
        ensure!(
            self.handovers.iter().all(Handover::is_clean),
            "a guest saw more than 503 while one took the other's place"
        );
        Ok(())
    }

    pub(super) fn print(&self) {
        self.print_table();
        self.print_explanations();
        self.print_differences();
        if let Some(agent) = &self.agent {
            println!("\n== Our agent, as Neutron lists it: {agent}");
        }
        if !self.handovers.is_empty() {
            println!("\n== A guest that asks while one takes the other's place");
            let handovers = self.handovers.iter();
            handovers.for_each(|handover| println!("   {handover}"));
        }
    }

    fn print_table(&self) {
        println!("\n== Answers compared with those of Neutron's hops alone");
        println!("   e equal, x explained below, D different\n");
        for (index, run) in self.runs.iter().enumerate() {
            let Run {
                combination,
                median,
                ..
            } = run;
            println!(
                "   {}  {combination}, half of the answers within {median:.1?}",
                index + 1
            );
        }
        print!("\n   {:<22} {:>8}", "", "requests");
        for index in 1..=self.runs.len() {
            print!(" {index:>12}");
        }
        println!();
        for group in self.groups() {
            let members = self.requests.iter().filter(|r| r.group == group).count();
            print!("   {group:<22} {members:>8}");
            for run in &self.runs {
                print!(" {:>12}", self.tally(run, group));
            }
            println!();
        }
        print!("   {:<22} {:>8}", "cloud-init's crawl", "");
        for run in &self.runs {
            let verdict = if run.cloud_init.is_empty() { "e" } else { "D" };
            print!(" {verdict:>12}");
        }
        println!();
    }

    fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<&str> = self.requests.iter().map(|request| request.group).collect();
        groups.dedup();
        groups
    }

    /// For example `20e 2x`.
    fn tally(&self, run: &Run, group: &str) -> String {
        let rows = self.requests.iter().zip(&run.verdicts);
        let verdicts = rows.filter(|(request, _)| request.group == group);
        let mut counts = [("e", 0), ("x", 0), ("D", 0)];
        let [equal, explained, different] = &mut counts;
        for verdict in verdicts.filter_map(|(_, verdict)| verdict.as_ref()) {
            match verdict {
                Verdict::Equal => equal.1 += 1,
                Verdict::Explained(_) => explained.1 += 1,
                Verdict::Different => different.1 += 1,
            }
        }
        let shown = counts.iter().filter(|(_, count)| *count > 0);
        let words: Vec<String> = shown
            .map(|(mark, count)| format!("{count}{mark}"))
            .collect();
        words.join(" ")
    }

    fn print_explanations(&self) {
        let mut lines = BTreeSet::new();
        for (request, verdict) in self.verdicts() {
            if let Verdict::Explained(difference) = verdict {
                lines.insert(format!("   {}: {}", request.name, difference.because));
            }
        }
        if !lines.is_empty() {
            println!("\n== Explained");
            lines.iter().for_each(|line| println!("{line}"));
        }
    }

    fn verdicts(&self) -> impl Iterator<Item = (&Request, &Verdict)> {
        let runs = self.runs.iter();
        runs.flat_map(|run| self.requests.iter().zip(&run.verdicts))
            .filter_map(|(request, verdict)| Some((request, verdict.as_ref()?)))
    }

    fn print_differences(&self) {
        for run in &self.runs {
            for difference in &run.cloud_init {
                println!(
                    "\n== DIFFERENT: cloud-init by {}: {difference}",
                    run.combination
                );
            }
            let rows = self.requests.iter().zip(&run.outcomes).zip(&run.verdicts);
            for ((request, outcome), verdict) in rows {
                if let (Some(outcome), Some(Verdict::Different)) = (outcome, verdict) {
                    println!("\n== DIFFERENT: {} by {}", request.name, run.combination);
                    println!("   {outcome}");
                    if let Some(reference) = self.reference(run, request) {
                        println!("   {reference}  is Neutron's answer");
                    }
                }
            }
        }
    }

    /// What the request got by Neutron's hops in the same scene.
    fn reference(&self, run: &Run, request: &Request) -> Option<&Outcome> {
        let scene = run.combination.scene;
        let mut runs = self.runs.iter();
        let reference =
            runs.find(|run| run.combination.is_reference() && run.combination.scene == scene)?;
        let mut rows = self.requests.iter().zip(&reference.outcomes);
        rows.find(|(candidate, _)| std::ptr::eq(*candidate, request))?
            .1
            .as_ref()
    }

    /// Writes `comparison.json`.
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        let runs: Vec<Value> = self.runs.iter().map(|run| self.run_json(run)).collect();
        let document = json!({ "runs": runs, "handovers": self.handovers });
        let path = place.write("comparison.json", &format!("{document:#}\n"))?;
        eprintln!("      written to {}", path.display());
        Ok(())
    }

    fn run_json(&self, run: &Run) -> Value {
        let rows = self.requests.iter().zip(&run.outcomes).zip(&run.verdicts);
        let rows: Vec<Value> = rows
            .filter_map(|((request, outcome), verdict)| {
                let (verdict, because) = match verdict.as_ref()? {
                    Verdict::Equal => ("equal", None),
                    Verdict::Explained(difference) => ("explained", Some(difference.because)),
                    Verdict::Different => ("different", None),
                };
                Some(json!({
                    "group": request.group, "request": request.name, "verdict": verdict,
                    "because": because, "outcome": outcome.as_ref()?.to_string(),
                }))
            })
            .collect();
        json!({
            "combination": run.combination.to_string(), "median_seconds": run.median.as_secs_f64(), "requests": rows,
            "cloud_init": run.cloud_init,
        })
    }
}
