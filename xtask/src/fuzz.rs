//! `cargo xtask fuzz`: looks for bytes that break what `metadata-userspace/src/fuzzing`
//! says of the readers.

mod statistics;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::releases::Release;
use crate::{bpf_toolchain, packages, repository};
use statistics::{Outcome, Statistics};

/// Bytes of an input. Neutron's configurations of haproxy are half as long.
const LONGEST_INPUT: usize = 4096;
/// MiB that a target may need.
const MOST_MEMORY: usize = 1024;
/// Seconds that an input may take.
const SLOWEST_INPUT: usize = 5;

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long each target runs
    #[arg(
        long,
        default_value_t = 60,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    seconds: u64,
    /// These targets alone, the files of fuzz/targets
    targets: Vec<String>,
}

/// Builds the targets with libFuzzer, runs each for a time, and prints a table.
///
/// # Errors
/// When something cannot be installed or built, or a property does not hold.
pub fn run(arguments: &Arguments) -> Result<()> {
    let targets = arguments.chosen(all()?)?;
    let mut progress = Progress::new(2 + targets.len());
    progress.step("looking for the tools that are needed");
    packages::install(packages::FUZZING)?;
    let cargo_fuzz = tool::find_or_install()?;
    progress.step("building the targets; from nothing it takes some minutes");
    bpf_toolchain::build_object(Release::This)?;
    let programs = tool::build(&cargo_fuzz)?;
    let mut outcomes = Vec::new();
    for target in targets {
        progress.step(&format!("{target}, {} s", arguments.seconds));
        outcomes.push(attempt(&programs, target, arguments.seconds)?);
    }
    print!("{}", statistics::table(&outcomes));
    let broken = outcomes
        .iter()
        .filter(|outcome| outcome.broken_by.is_some());
    let broken: Vec<&str> = broken.map(|outcome| outcome.target.as_str()).collect();
    if !broken.is_empty() {
        bail!("a property does not hold: {}", broken.join(", "));
    }
    Ok(())
}

impl Arguments {
    fn chosen(&self, all: Vec<String>) -> Result<Vec<String>> {
        if let Some(unknown) = self.targets.iter().find(|name| !all.contains(name)) {
            bail!(
                "there is no target {unknown}; the targets are {}",
                all.join(", ")
            );
        }
        let is_chosen = |name: &String| self.targets.is_empty() || self.targets.contains(name);
        Ok(all.into_iter().filter(is_chosen).collect())
    }
}

fn directory() -> PathBuf {
    repository::root().join("fuzz")
}

/// Every target, by name.
fn all() -> Result<Vec<String>> {
    let files = directory().join("targets");
    let files = fs::read_dir(&files).with_context(|| format!("cannot read {}", files.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(
            path.file_stem()
                .and_then(|name| Some(name.to_str()?.to_owned())),
        );
    }
    names.sort();
    Ok(names)
}

/// Begins with the seeds and what was found earlier on this machine.
fn attempt(programs: &Path, target: String, seconds: u64) -> Result<Outcome> {
    let place = repository::target().join("fuzz").join(&target);
    let found = place.join("found");
    let broken = place.join("broken");
    // What broke a property that has been mended would be taken for a new finding.
    let _ = fs::remove_dir_all(&broken);
    for directory in [&found, &broken] {
        fs::create_dir_all(directory)?;
    }
    let log = place.join("log");
    let status = Command::new(programs.join(&target))
        .arg(&found)
        .arg(directory().join("seeds").join(&target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
        .arg(format!("-timeout={SLOWEST_INPUT}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .status()
        .with_context(|| format!("cannot start {target}"))?;
    let said = fs::read(&log)?;
    let statistics = Statistics::parse(&String::from_utf8_lossy(&said));
    let broken_by = first_file(&broken)?;
    if !status.success() && broken_by.is_none() {
        bail!("{target} failed: {status}; see {}", log.display());
    }
    Ok(Outcome {
        target,
        statistics,
        log,
        broken_by,
    })
}

fn first_file(directory: &Path) -> Result<Option<PathBuf>> {
    let file = fs::read_dir(directory)?.next().transpose()?;
    Ok(file.map(|file| file.path()))
}
