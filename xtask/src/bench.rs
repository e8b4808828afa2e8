//! `cargo xtask bench`: speed and memory, against what Neutron uses today.

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
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::machine::Machine;
use self::rounds::Plan;
use self::storm::{Lane, Size};
use crate::progress::Progress;
use crate::releases::{self, Profile};
use crate::{build, packages, privilege, repository, stop};

/// Options of `cargo xtask bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Rounds, in each of which every contender runs once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Routers of the memory part
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    routers: u32,
    /// Numbers of routers of the scale part, growing
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    sizes: Vec<usize>,
    /// Restarts, reloads and kills of each kind
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Upgrades under load
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    upgrades: u32,
    /// Only these of the part `restarts`
    #[arg(long, value_delimiter = ',')]
    acts: Vec<restarts::Act>,
    /// Lanes of the storm part, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Lane::NovaInTurn, Lane::Nova, Lane::Metadatad, Lane::Neutron,
    ])]
    lanes: Vec<Lane>,
    /// Seconds after which guests of the storm part ask no more
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Selection>,
    /// One round of one second, 20 routers, 3 restarts: shows that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// Write docs/benchmarks.md, with plots, from what each part left in target/bench;
    /// without --only, measure every part before
    #[arg(long)]
    report: bool,
    /// Measure nothing: write that page from what earlier runs left
    #[arg(long, exclusive = true)]
    redraw: bool,
    /// Print the JSON instead of the tables
    #[arg(long)]
    json: bool,
    /// Take target/release/metadatad as it is
    #[arg(long)]
    no_build: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Selection {
    /// Nothing, iptables and TC in front of one nginx
    Steering,
    /// haproxy and metadatad in front of a constant answer
    Path,
    /// One router and many
    Memory,
    /// Ten routers and ten thousand; only when asked for, because it takes minutes
    Scale,
    /// Nothing, Neutron's rules and metadatad in the way of packets that are only
    /// forwarded
    Neighbours,
    /// What guests notice of restarts, upgrades and kills; only when asked for, because it
    /// takes minutes
    Restarts,
    /// What a guest that floods does to others; only when asked for, because it takes
    /// minutes
    Fairness,
    /// Real Neutron and metadatad, the same cloud behind both; only when asked
    /// for, because it brings that cloud up
    Openstack,
    /// A thousand guests of that cloud that boot within 10 s; only when asked for,
    /// because Neutron's path takes ten minutes
    Storm,
}

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
    let binary = build(arguments, &mut progress)?;
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

fn build(arguments: &Arguments, progress: &mut Progress) -> Result<PathBuf> {
    progress.step("looking for the Debian packages that are needed");
    packages::install(packages::BENCHMARK)?;
    progress.step("building metadatad");
    if arguments.only == Some(Selection::Restarts) && !arguments.no_build {
        releases::build_others(Profile::Release)?;
    }
    build::release_unless(arguments.no_build)
}

impl Arguments {
    fn parts(&self) -> Vec<Selection> {
        match self.only {
            Some(only) => vec![only],
            None if self.report => Selection::value_variants().to_vec(),
            None => vec![
                Selection::Steering,
                Selection::Neighbours,
                Selection::Path,
                Selection::Memory,
            ],
        }
    }

    /// The same again for the process that is root, where all is built.
    fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["bench".to_owned(), "--no-build".to_owned()];
        for (name, value) in [
            ("rounds", u64::from(self.rounds)),
            ("seconds", self.seconds),
            ("routers", u64::from(self.routers)),
            ("times", u64::from(self.times)),
            ("upgrades", u64::from(self.upgrades)),
            ("patience", self.patience),
        ] {
            arguments.push(format!("--{name}={value}"));
        }
        if let Some(value) = self
            .only
            .and_then(|only| clap::ValueEnum::to_possible_value(&only))
        {
            arguments.push(format!("--only={}", value.get_name()));
        }
        let acts = self
            .acts
            .iter()
            .filter_map(clap::ValueEnum::to_possible_value);
        arguments.extend(acts.map(|act| format!("--acts={}", act.get_name())));
        let lanes = self
            .lanes
            .iter()
            .filter_map(clap::ValueEnum::to_possible_value);
        let lanes: Vec<_> = lanes.map(|lane| lane.get_name().to_owned()).collect();
        arguments.push(format!("--lanes={}", lanes.join(",")));
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        arguments.push(format!("--sizes={}", sizes.join(",")));
        let flags = [
            (self.quick, "--quick"),
            (self.report, "--report"),
            (self.json, "--json"),
        ];
        arguments.extend(
            flags
                .iter()
                .filter(|(given, _)| *given)
                .map(|(_, flag)| (*flag).to_owned()),
        );
        arguments
    }

    /// What measures a part again.
    fn command(&self, part: &str) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        let amount = match part {
            _ if self.quick => "--quick".to_owned(),
            "memory" => format!("--routers {}", self.routers),
            "scale" => format!("--sizes {}", sizes.join(",")),
            _ => format!("--rounds {} --seconds {}", self.rounds, self.seconds),
        };
        format!("cargo xtask bench --only {part} {amount}")
    }

    fn plan(&self) -> Result<Plan> {
        if self.quick {
            return Ok(Plan {
                rounds: 1,
                seconds: 1,
            });
        }
        Ok(Plan {
            rounds: self.rounds.try_into()?,
            seconds: self.seconds,
        })
    }

    fn router_count(&self) -> Result<usize> {
        Ok(match self.quick {
            true => 20,
            false => self.routers.try_into()?,
        })
    }

    fn counts(&self) -> restarts::Counts {
        match self.quick {
            true => restarts::Counts {
                times: 3,
                upgrades: 3,
            },
            false => restarts::Counts {
                times: self.times,
                upgrades: self.upgrades,
            },
        }
    }

    fn sizes(&self) -> Vec<usize> {
        match self.quick {
            true => vec![2, 20],
            false => self.sizes.clone(),
        }
    }
}

impl Selection {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// One run of the command.
struct Session {
    plan: Plan,
    routers: usize,
    sizes: Vec<usize>,
    counts: restarts::Counts,
    acts: Vec<restarts::Act>,
    storm: Size,
    lanes: Vec<Lane>,
    prints_json: bool,
    machine: Machine,
    results: Map<String, Value>,
    arguments: Arguments,
    /// Parts without a result.
    failed: Vec<String>,
}

impl Session {
    fn new(arguments: &Arguments) -> Result<Self> {
        let machine = Machine::here()?;
        machine.warn_when_busy();
        let session = Self {
            plan: arguments.plan()?,
            routers: arguments.router_count()?,
            sizes: arguments.sizes(),
            counts: arguments.counts(),
            acts: arguments.acts.clone(),
            storm: Size::of(arguments.quick, arguments.patience),
            lanes: arguments.lanes.clone(),
            prints_json: arguments.json,
            machine,
            results: Map::new(),
            arguments: arguments.clone(),
            failed: Vec::new(),
        };
        if !session.prints_json {
            println!("{}", session.machine.describe());
        }
        Ok(session)
    }

    fn measure(&mut self, part: Selection, binary: &Path, progress: &mut Progress) -> Result<()> {
        match part {
            Selection::Steering => {
                progress.step("comparing ways of steering");
                self.keep("steering", &steering::run(binary, self.plan)?)
            }
            Selection::Neighbours => {
                progress.step("comparing what forwarded packets pay");
                self.keep("neighbours", &neighbours::run(binary, self.plan)?)
            }
            Selection::Path => {
                progress.step("comparing whole paths");
                self.keep("path", &path::run(binary, self.plan)?)
            }
            Selection::Fairness => {
                progress.step("flooding");
                self.keep("fairness", &fairness::run(binary, self.plan)?)
            }
            Selection::Openstack => {
                progress.step("comparing Neutron and metadatad on one cloud");
                self.keep("openstack", &openstack::run(binary, self.plan)?)
            }
            Selection::Scale => {
                progress.step("growing");
                self.keep("scale", &scale::run(binary, &self.sizes)?)
            }
            Selection::Restarts => {
                progress.step("restarting under load");
                let restarts = restarts::run(binary, self.counts, &self.acts)?;
                self.keep("restarts", &restarts)
            }
            Selection::Storm => {
                progress.step("letting guests boot");
                let rounds = self.plan.rounds;
                self.keep(
                    "storm",
                    &storm::run(binary, self.storm, &self.lanes, rounds)?,
                )
            }
            Selection::Memory => {
                progress.step("comparing what many routers cost");
                self.keep("memory", &memory::run(binary, self.routers)?)
            }
        }
    }

    /// Writes a part down as soon as it is there.
    fn keep(&mut self, name: &str, part: &(impl Serialize + Display)) -> Result<()> {
        if !self.prints_json {
            print!("{part}");
        }
        let document = json!({
            "machine": self.machine,
            "plan": self.plan,
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
        if self.prints_json {
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
