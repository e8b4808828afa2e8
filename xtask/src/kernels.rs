//! `cargo xtask kernels`: the programs and the daemon on Debian's kernels, each
//! booted in an emulator that needs no hardware for it.

mod archive;
mod initramfs;
pub mod inside;
mod machine;
mod programs;
mod release;
mod report;
mod table;
mod tree;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::{build, packages, repository};
use release::Release;
use table::Row;

/// Options of `cargo xtask kernels`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// These kernels alone, for example `5.10,newest`
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KERNELS")]
    only: Vec<Release>,
    /// Take metadatad as it was built last, for release or for debugging
    #[arg(long)]
    no_build: bool,
}

/// Tries each kernel, and prints what each did.
///
/// # Errors
/// When something cannot be had or built, or a step failed on a kernel or was
/// not reached.
pub fn run(arguments: &Arguments) -> Result<()> {
    let releases = arguments.releases();
    let mut progress = Progress::new(2 + releases.len());
    progress.step("looking for the Debian packages that are needed");
    packages::install(packages::DEMONSTRATION)?;
    packages::install(packages::KERNELS)?;
    progress.step("building metadatad");
    let metadatad = if arguments.no_build {
        build::latest()?
    } else {
        build::release()?
    };
    let mut rows = Vec::new();
    for release in releases {
        progress.step(&format!("kernel {release}"));
        rows.push(attempt(release, &metadatad)?);
    }
    print!("{}", table::render(&rows));
    let failed: Vec<&str> = rows
        .iter()
        .filter(|row| !row.report.passed())
        .map(|row| row.release)
        .collect();
    if !failed.is_empty() {
        bail!("not everything works on {}", failed.join(", "));
    }
    Ok(())
}

impl Arguments {
    fn releases(&self) -> Vec<Release> {
        if self.only.is_empty() {
            return Release::ALL.to_vec();
        }
        let is_wanted = |release: &Release| self.only.contains(release);
        Release::ALL.into_iter().filter(is_wanted).collect()
    }
}

fn attempt(release: Release, metadatad: &Path) -> Result<Row> {
    let place = directory(release)?;
    let kernel = tree::fetch(release, &place)
        .with_context(|| format!("cannot get Debian's kernel {release}"))?;
    let initramfs = initramfs::make(&kernel, metadatad, &place)?;
    let outcome = machine::boot(&kernel.image, &initramfs, &place)?;
    if !outcome.report.passed() {
        outcome.explain(release.name());
    }
    Ok(Row {
        release: release.name(),
        package: kernel.version,
        report: outcome.report,
        seconds: outcome.seconds,
    })
}

/// Where everything of a kernel is: its packages, what was booted, its console.
fn directory(release: Release) -> Result<PathBuf> {
    let directory = repository::target().join("kernels").join(release.name());
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
