//! cargo-fuzz, which builds a target for libFuzzer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::directory;
use crate::{process, repository};

const VERSION: &str = "0.13.2";

/// Without a sanitizer, which wants a nightly compiler and twice the time: the readers
/// are safe Rust, and memory is what they cannot misuse.
const SANITIZER: &str = "none";

/// Below `target/`: the user's home stays as it is.
fn root() -> PathBuf {
    repository::root().join("target/tools/cargo-fuzz")
}

/// The program, built if it was not.
pub(super) fn find_or_install() -> Result<PathBuf> {
    let program = root().join("bin/cargo-fuzz");
    if program.exists() {
        return Ok(program);
    }
    eprintln!("      building cargo-fuzz {VERSION}; this takes a minute");
    process::read(
        repository::cargo()
            .args(["install", "cargo-fuzz", "--version", VERSION, "--locked"])
            .arg("--root")
            .arg(root())
            .arg("--target-dir")
            .arg(root().join("build")),
    )
    .with_context(|| format!("put cargo-fuzz at {} by hand", program.display()))?;
    Ok(program)
}

/// Builds every target; returns where they are.
pub(super) fn build(cargo_fuzz: &Path) -> Result<PathBuf> {
    let output = repository::target().join("fuzz/build");
    let host = host()?;
    let mut build = Command::new(cargo_fuzz);
    build
        .args(["build", "--sanitizer", SANITIZER, "--target", &host])
        .arg("--fuzz-dir")
        .arg(directory())
        .arg("--target-dir")
        .arg(&output)
        .current_dir(directory());
    process::run(&mut build)?;
    Ok(output.join(host).join("release"))
}

fn host() -> Result<String> {
    let version = process::read(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}
