//! `cargo xtask lint`: what a change must pass before its tests are worth running.

mod tidy;

use std::process::Command;

use anyhow::Result;

use crate::progress::Progress;
use crate::{process, repository};

const WAITER: &str = "metadata-userspace/src/shim/waiter.rs";

/// Checks formatting and architecture, and runs clippy on every crate.
///
/// # Errors
/// When something is badly formatted or placed, or clippy warns.
pub fn run() -> Result<()> {
    let mut progress = Progress::new(3);
    progress.step("checking the formatting");
    process::run(repository::cargo().args(["fmt", "--all", "--check"]))?;
    let mut fuzz = repository::cargo();
    process::run(fuzz.args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    // No crate has it for a module: the build script compiles it.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--check", WAITER]);
    process::run(rustfmt.current_dir(repository::root()))?;
    progress.step("checking the architecture's invariants");
    tidy::check(repository::root())?;
    progress.step("running clippy");
    for selection in [
        ["--package", "metadata-ebpf", "--lib", "--tests"].as_slice(),
        [
            "--package",
            "metadata-userspace",
            "--package",
            "xtask",
            "--all-targets",
        ]
        .as_slice(),
    ] {
        let mut clippy = repository::cargo();
        clippy.arg("clippy").args(selection);
        process::run(clippy.args(["--", "--deny", "warnings"]))?;
    }
    Ok(())
}
