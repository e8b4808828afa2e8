//! `cargo xtask soak`: an hour of routers and guests that come and go, and of daemons that
//! are killed, restarted and reloaded; and what is left of it.

mod acts;
mod kernel_memory;
mod load;
mod plant;
mod processes;
mod report;
mod sample;
mod trend;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::progress::Progress;
use crate::{build, packages, privilege, repository, stop};
use plant::{Fate, Plant};
pub use report::Report;

/// Options of `cargo xtask soak`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// The same sequence of events as another time
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// This metadatad instead of target/release/metadatad, which is not built then
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub duration: Duration,
    /// After so long everything comes to rest, and a sample is taken.
    pub between_samples: Duration,
    pub seed: u64,
}

/// Builds, soaks, prints the table and writes it below `target/soak`.
///
/// # Errors
/// When something cannot be built or made, or a request failed, or something leaks.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !privilege::is_root() {
        bail!("namespaces are made: run this as root");
    }
    stop::remember_signals()?;
    let mut progress = Progress::new(3);
    progress.step("looking for the Debian packages that are needed");
    packages::install(packages::DEMONSTRATION)?;
    progress.step("building metadatad");
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => build::release()?,
    };
    progress.step(&format!("soaking for {} minutes", arguments.minutes));
    let report = soak(
        &binary,
        Plan {
            duration: Duration::from_secs(arguments.minutes * 60),
            between_samples: Duration::from_secs(30),
            seed: arguments.seed,
        },
    )?;
    let directory = repository::target().join("soak");
    fs::create_dir_all(&directory)?;
    let file = directory.join(format!("seed-{}.md", arguments.seed));
    fs::write(&file, report.to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    print!("{report}");
    eprintln!("      written to {}", file.display());
    report.judge()
}

/// Soaks two daemons at once: one that is killed every few seconds, and one that lives
/// all along, of which even a slow leak would be seen.
///
/// # Errors
/// When something cannot be made.
pub fn soak(binary: &Path, plan: Plan) -> Result<Report> {
    let start = Instant::now();
    let fates = [Fate::Killed, Fate::Spared];
    let plants = fates.map(|fate| Plant::build(binary, fate));
    let stories = thread::scope(|scope| {
        let running: Vec<_> = plants
            .into_iter()
            .map(|plant| scope.spawn(move || plant?.live(plan, start)))
            .collect();
        let ended = running.into_iter().map(|thread| {
            let story = thread.join();
            story.map_err(|_| anyhow!("a thread panicked"))?
        });
        ended.collect::<Result<Vec<_>>>()
    })?;
    Ok(Report::new(plan, start.elapsed(), stories))
}
