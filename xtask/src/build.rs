//! `cargo xtask build`: the daemon as it is shipped, with its eBPF object.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::releases::Release;
use crate::{bpf_toolchain, process, repository};

/// Builds `target/release/metadatad` and says where it is.
///
/// # Errors
/// As [`release`].
pub fn run() -> Result<()> {
    let daemon = release()?;
    println!("{}", daemon.display());
    Ok(())
}

/// Builds the daemon and returns its executable.
///
/// # Errors
/// When there is no BPF toolchain and none can be installed, or something does
/// not compile.
pub fn release() -> Result<PathBuf> {
    bpf_toolchain::build_object(Release::This)?;
    process::run(repository::cargo().args([
        "build",
        "--release",
        "--package",
        "metadata-userspace",
    ]))?;
    Ok(executable())
}

/// The daemon's executable: built, or as it is for `--no-build`.
///
/// # Errors
/// As [`release`], or when it was never built.
pub fn release_unless(no_build: bool) -> Result<PathBuf> {
    if no_build { existing() } else { release() }
}

fn existing() -> Result<PathBuf> {
    let executable = executable();
    if !executable.exists() {
        bail!("there is no {}: leave --no-build out", executable.display());
    }
    Ok(executable)
}

/// The executable that was built last, for release or for debugging.
///
/// # Errors
/// When there is none.
pub fn latest() -> Result<PathBuf> {
    let built = |profile| {
        let file = repository::target().join(profile).join("metadatad");
        Some((file.metadata().ok()?.modified().ok()?, file))
    };
    let latest = ["release", "debug"].into_iter().filter_map(built).max();
    let (_, file) = latest.context("metadatad was never built: leave --no-build out")?;
    Ok(file)
}

fn executable() -> PathBuf {
    repository::target().join("release/metadatad")
}
