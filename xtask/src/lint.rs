//! `cargo xtask lint`: what a change must pass before its tests are worth running.

use anyhow::Result;

use crate::progress::Progress;
use crate::{process, repository};

/// Checks the formatting and runs clippy on every crate.
///
/// # Errors
/// When something is badly formatted or clippy warns.
pub fn run() -> Result<()> {
    let mut progress = Progress::new(2);
    progress.step("checking the formatting");
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
