//! `cargo xtask lint`: what a change must pass before its tests are worth running.

mod tidy;

use anyhow::Result;

use crate::progress::Progress;
use crate::{process, repository};

/// Checks formatting and architecture, and runs clippy on every crate.
///
/// # Errors
/// When something is badly formatted or placed, or clippy warns.
pub fn run() -> Result<()> {
    let mut progress = Progress::new(3);
    progress.step("checking the formatting");
    process::run(repository::cargo().args(["fmt", "--all", "--check"]))?;
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
