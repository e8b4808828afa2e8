//! bpf-linker, which turns LLVM bitcode into a BPF object with BTF.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::clean;
use crate::packages::{self, Package};
use crate::{process, repository};

const VERSION: &str = "0.13.0";

/// The LLVM versions that this bpf-linker can be built against, and the
/// package that has each.
const LLVMS: [(u32, Package); 3] = [
    (21, llvm_package("llvm-21-dev")),
    (22, llvm_package("llvm-22-dev")),
    (23, llvm_package("llvm-23-dev")),
];

const fn llvm_package(name: &'static str) -> Package {
    Package {
        name,
        reason: "is what bpf-linker is built on",
    }
}

/// The bpf-linker for this LLVM below `target/`, if it was built.
pub(super) fn find(llvm: u32) -> Option<PathBuf> {
    let linker = root(llvm).join("bin/bpf-linker");
    linker.exists().then_some(linker)
}

/// Below `target/`: the user's home stays as it is.
fn root(llvm: u32) -> PathBuf {
    repository::root().join(format!("target/tools/llvm-{llvm}"))
}

/// The same, built if it was not.
pub(super) fn find_or_install(llvm: u32) -> Result<PathBuf> {
    if let Some(linker) = find(llvm) {
        return Ok(linker);
    }
    let root = root(llvm);
    let linker = root.join("bin/bpf-linker");
    let prefix = llvm_prefix(llvm)?;
    eprintln!("      building bpf-linker {VERSION} for LLVM {llvm}; this takes a minute or two");
    install(llvm, &prefix, &root).with_context(|| {
        format!(
            "cannot build bpf-linker {VERSION}; put one for LLVM {llvm} at {} by hand",
            linker.display()
        )
    })?;
    Ok(linker)
}

fn install(llvm: u32, prefix: &Path, root: &Path) -> Result<()> {
    process::read(
        clean(repository::cargo().get_program())
            .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
            .args(["--no-default-features", "--features"])
            .arg(format!("llvm-{llvm}"))
            .arg("--root")
            .arg(root)
            .arg("--target-dir")
            .arg(root.join("build"))
            .env("LLVM_PREFIX", prefix)
            .env(format!("LLVM_SYS_{llvm}1_PREFIX"), prefix),
    )?;
    Ok(())
}

/// Where LLVM is, installed if it is not.
fn llvm_prefix(llvm: u32) -> Result<PathBuf> {
    let Some((_, package)) = LLVMS.into_iter().find(|(version, _)| *version == llvm) else {
        bail!("bpf-linker {VERSION} cannot be built against LLVM {llvm}, which the compiler uses");
    };
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    if !prefix.join("include/llvm-c").exists() {
        packages::install(&[package])?;
    }
    Ok(prefix)
}
