//! Every combination of Neutron's hops and ours, compared with Neutron's alone.

mod cloud_init;
mod combination;
mod comparison;
mod difference;
mod exchange;
mod handover;
mod heartbeat;
mod outcome;
mod report;
mod request;
mod requests;
mod stage;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use self::combination::{ALL, Combination, HAND_OVER, Scene};
use self::comparison::judge;
use self::handover::Handover;
use self::outcome::Outcome;
use self::report::{Report, Run};
use self::request::{Before, Request, Where};
use self::stage::Stage;
use super::fabric;
use super::place::Place;
use super::services::mariadb;
use crate::{packages, stop};

/// Longer than Nova remembers an instance here.
const NOVA_FORGETS: Duration = Duration::from_millis(1200);

/// The part that is no combination.
const HANDING_OVER: &str = "hand-over";

/// Options of `cargo xtask openstack test`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Take target/release/metadatad as it is
    #[arg(long)]
    pub(super) no_build: bool,
    /// Only combinations whose name has this in it, and what they are compared with;
    /// or `hand-over`
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl Arguments {
    /// The same again for the process that is root.
    pub(super) fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["test".to_owned(), "--no-build".to_owned()];
        arguments.extend(self.only.iter().map(|text| format!("--only={text}")));
        arguments
    }

    fn hands_over(&self) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|text| text == HANDING_OVER)
    }

    fn combinations(&self) -> Vec<Combination> {
        let wanted = |combination: &Combination| match &self.only {
            Some(text) => combination.to_string().contains(text),
            None => true,
        };
        let scenes: Vec<Scene> = ALL.iter().filter(|c| wanted(c)).map(|c| c.scene).collect();
        ALL.into_iter()
            .filter(|c| wanted(c) || (c.is_reference() && scenes.contains(&c.scene)))
            .collect()
    }
}

/// Tries all combinations, prints the comparison and writes it down.
pub(super) fn run(place: &Place, binary: &Path, arguments: &Arguments) -> Result<()> {
    stop::remember_signals()?;
    let requests = requests::all();
    let mut report = Report::new(&requests);
    packages::install(packages::TESTS)?;
    packages::unpack(packages::CLOUD_INIT)?;
    let tried = try_all(place, binary, arguments, &mut report);
    report.print();
    report.write(place)?;
    tried?;
    report.judge()
}

fn try_all(place: &Place, binary: &Path, arguments: &Arguments, report: &mut Report) -> Result<()> {
    let requests = report.requests;
    let mut stage = Stage::new(place, binary);
    let (mut reference, mut crawled) = (Vec::new(), Value::Null);
    for combination in arguments.combinations() {
        eprintln!("      {combination}: {} requests", requests.len());
        stage.set(combination)?;
        let (outcomes, durations) = observe(place, combination, requests)?;
        let found = cloud_init::crawl(&fabric::guest("web"))?;
        if combination.is_reference() {
            reference.clone_from(&outcomes);
            crawled.clone_from(&found);
        }
        let rows = requests.iter().zip(&outcomes).zip(&reference);
        let verdicts = rows
            .map(|((request, outcome), reference)| {
                Some(judge(
                    combination,
                    request,
                    reference.as_ref()?,
                    outcome.as_ref()?,
                ))
            })
            .collect();
        report.runs.push(Run {
            combination,
            median: median(durations),
            cloud_init: cloud_init::differences(&crawled, &found),
            outcomes,
            verdicts,
        });
    }
    if arguments.hands_over() {
        for ours in HAND_OVER {
            eprintln!("      handing over from {ours} and back");
            report.handovers.push(Handover::try_with(&mut stage, ours)?);
        }
    }
    report.agent = stage.agent.take();
    Ok(())
}

/// The outcome of each request that can be asked in this scene.
fn observe(
    place: &Place,
    combination: Combination,
    requests: &[Request],
) -> Result<(Vec<Option<Outcome>>, Vec<Duration>)> {
    let (mut outcomes, mut durations) = (Vec::new(), Vec::new());
    for request in requests {
        stop::check()?;
        if request.place == Where::Ovn && combination.scene != Scene::Ovn {
            outcomes.push(None);
            continue;
        }
        prepare(place, request.before)?;
        let (outcome, duration) = exchange::exchange(&fabric::guest(request.guest), request)?;
        outcomes.push(Some(outcome));
        durations.push(duration);
    }
    Ok((outcomes, durations))
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations
        .get(durations.len() / 2)
        .copied()
        .unwrap_or_default()
}

fn prepare(place: &Place, before: Before) -> Result<()> {
    match before {
        Before::Nothing => return Ok(()),
        Before::FreshNova => {}
        Before::NoPassword => mariadb::execute(
            place,
            "DELETE FROM nova.instance_system_metadata WHERE `key` LIKE 'password_%'",
        )?,
    }
    sleep(NOVA_FORGETS);
    Ok(())
}
