//! The build steps that the other commands begin with.

use std::path::PathBuf;

use anyhow::Result;

use crate::{process, repository};

/// Compiles the programs for the kernel.
///
/// # Errors
/// When there is no BPF toolchain or the programs do not compile.
pub fn ebpf_object() -> Result<()> {
    Ok(())
}

/// Builds the daemon as it is shipped and returns its executable.
///
/// # Errors
/// As [`ebpf_object`], and when the daemon does not compile.
pub fn release() -> Result<PathBuf> {
    ebpf_object()?;
    process::run(repository::cargo().args([
        "build",
        "--release",
        "--package",
        "metadata-userspace",
    ]))?;
    Ok(repository::target().join("release/metadatad"))
}
