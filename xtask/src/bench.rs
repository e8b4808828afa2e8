//! `cargo xtask bench`: speed and memory, against what Neutron uses today.

mod arguments;
mod fairness;
mod load;
mod machine;
mod memory;
mod neighbours;
mod nginx;
mod openstack;
mod page;
mod path;
mod report;
mod restarts;
mod rounds;
mod scale;
mod statistics;
mod steering;
mod storm;
mod table;
mod usage;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use self::arguments::Arguments;
use self::arguments::Selection;
use self::machine::Machine;
use crate::progress::Progress;
use crate::releases::{self, Profile};
use crate::{build, packages, privilege, repository, stop};

/// Builds, becomes root, measures, prints and writes down.
///
/// # Errors
/// When something cannot be installed, built or run, or a contender fails a
/// request: then nothing is compared.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.redraw {
        return draw();
    }
    let parts = arguments.parts();
    let mut progress = Progress::new(parts.len() + 2);
    let binary = build(arguments, &parts, &mut progress)?;
    privilege::become_root(&arguments.as_root())?;
    stop::remember_signals()?;
    let mut session = Session::new(arguments)?;
    for part in parts {
        let outcome = session.measure(part, &binary, &mut progress);
        if stop::asked() {
            eprintln!("\ninterrupted: everything is removed");
            return Ok(());
        }
        match outcome {
            // An hour of other parts is not given up for one.
            Err(error) if arguments.report => session.note_failure(part, &error),
            outcome => outcome?,
        }
    }
    session.finish()
}

fn draw() -> Result<()> {
    let page = page::write(&results(), &repository::root().join("docs"))?;
    eprintln!("      written to {}", page.display());
    Ok(())
}

/// Where parts leave what they measured.
fn results() -> PathBuf {
    repository::target().join("bench")
}

fn build(arguments: &Arguments, parts: &[Selection], progress: &mut Progress) -> Result<PathBuf> {
    progress.step("looking for the Debian packages that are needed");
    packages::install(packages::BENCHMARK)?;
    progress.step("building metadatad");
    if parts.contains(&Selection::Restarts) && !arguments.no_build {
        releases::build_others(Profile::Release)?;
    }
    build::release_unless(arguments.no_build)
}

/// One run of the command.
struct Session<'a> {
    arguments: &'a Arguments,
    machine: Machine,
    results: Map<String, Value>,
    /// Parts without a result.
    failed: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let machine = Machine::here()?;
        machine.warn_when_busy();
        let session = Self {
            arguments,
            machine,
            results: Map::new(),
            failed: Vec::new(),
        };
        if !arguments.json {
            println!("{}", session.machine.describe());
        }
        Ok(session)
    }

    fn measure(&mut self, part: Selection, binary: &Path, progress: &mut Progress) -> Result<()> {
        let (arguments, plan) = (self.arguments, self.arguments.plan()?);
        match part {
            Selection::Steering => {
                progress.step("comparing ways of steering");
                self.keep("steering", &steering::run(binary, plan)?)
            }
            Selection::Neighbours => {
                progress.step("comparing what forwarded packets pay");
                self.keep("neighbours", &neighbours::run(binary, plan)?)
            }
            Selection::Path => {
                progress.step("comparing whole paths");
                self.keep("path", &path::run(binary, plan)?)
            }
            Selection::Fairness => {
                progress.step("flooding");
                self.keep("fairness", &fairness::run(binary, plan)?)
            }
            Selection::Openstack => {
                progress.step("comparing Neutron and metadatad on one cloud");
                self.keep("openstack", &openstack::run(binary, plan)?)
            }
            Selection::Scale => {
                progress.step("growing");
                self.keep("scale", &scale::run(binary, &arguments.sizes())?)
            }
            Selection::Restarts => {
                progress.step("restarting under load");
                let restarts = restarts::run(binary, arguments.counts(), &arguments.acts)?;
                self.keep("restarts", &restarts)
            }
            Selection::Storm => {
                progress.step("letting guests boot");
                let (size, lanes) = (arguments.storm(), &arguments.lanes);
                self.keep("storm", &storm::run(binary, size, lanes, plan.rounds)?)
            }
            Selection::Memory => {
                progress.step("comparing what many routers cost");
                self.keep("memory", &memory::run(binary, arguments.router_count()?)?)
            }
        }
    }

    /// Writes a part down as soon as it is there.
    fn keep(&mut self, name: &str, part: &(impl Serialize + Display)) -> Result<()> {
        if !self.arguments.json {
            print!("{part}");
        }
        let document = json!({
            "machine": self.machine,
            "plan": self.arguments.plan()?,
            "measured": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            "command": self.arguments.command(name),
            name: part,
        });
        let directory = results();
        fs::create_dir_all(&directory)?;
        let file = directory.join(format!("{name}.json"));
        fs::write(&file, format!("{document:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("      written to {}", file.display());
        let Value::Object(document) = document else {
            bail!("the report is no object");
        };
        self.results.extend(document);
        Ok(())
    }

    fn note_failure(&mut self, part: Selection, error: &anyhow::Error) {
        eprintln!("error: {}: {error:#}", part.name());
        self.failed.push(part.name());
    }

    fn finish(self) -> Result<()> {
        if self.arguments.json {
            println!("{}", serde_json::to_string_pretty(&self.results)?);
        }
        if self.arguments.report {
            draw()?;
        }
        ensure!(
            self.failed.is_empty(),
            "these parts failed, and the page has what was measured of them earlier: {}",
            self.failed.join(", ")
        );
        Ok(())
    }
}
