//! Compiles the eBPF programs, with a BPF toolchain that it finds or installs.
//!
//! Two compilers will do: rustup's nightly, which builds `core` for the BPF
//! target from source, and Debian's rustc, for which Debian has `core` ready
//! made. Both need bpf-linker, built against the same LLVM.

mod compiler;
mod linker;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::releases::Release;
use crate::{process, repository};
use compiler::Compiler;

/// Programs run on the machine that compiles them or one like it.
const TARGET: &str = if cfg!(target_endian = "big") {
    "bpfeb-unknown-none"
} else {
    "bpfel-unknown-none"
};

/// Cargo's own settings for the host would reach the BPF target as well, and a
/// cargo that runs us leaves its toolchain in the environment.
const HOST_SETTINGS: [&str; 11] = [
    "CARGO",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Compiles the programs of a release into `target/bpf`, where the build script of
/// the daemon takes them from, and returns the object's path. Cargo decides whether
/// there is anything to compile.
///
/// # Errors
/// When there is no BPF toolchain and none can be installed, or the programs
/// do not compile.
pub fn build_object(release: Release) -> Result<PathBuf> {
    let (compiler, linker) = find_or_install()?;
    eprintln!("      compiling the eBPF programs with {compiler}");
    let output = repository::root().join("target/bpf-build");
    process::run(&mut compile(&compiler, &linker, &output, release))
        .context("cannot compile the eBPF programs")?;
    let object = repository::root().join("target/bpf").join(release.object());
    install_object(&output.join(TARGET).join("bpf/metadata-ebpf"), &object)?;
    Ok(object)
}

/// The first compiler for which there is a linker as well: a nightly's LLVM may
/// be newer than every LLVM that can be installed.
fn find_or_install() -> Result<(Compiler, PathBuf)> {
    let candidates = compiler::candidates();
    let present = candidates.iter().filter(|compiler| compiler.is_present());
    let ready = |compiler: &Compiler| Some((*compiler, linker::find(compiler.llvm().ok()?)?));
    if let Some(ready) = present.into_iter().find_map(ready) {
        return Ok(ready);
    }
    let mut failures = String::new();
    for compiler in candidates {
        let linker = compiler
            .provide()
            .and_then(|()| linker::find_or_install(compiler.llvm()?));
        match linker {
            Ok(linker) => return Ok((compiler, linker)),
            Err(error) => {
                eprintln!("      {compiler} will not do: {error:#}");
                failures.push_str(&format!("\n  {compiler}: {error:#}"));
            }
        }
    }
    bail!("no BPF compiler with a linker for its LLVM; install one of these by hand:{failures}")
}

fn compile(compiler: &Compiler, linker: &Path, output: &Path, release: Release) -> Command {
    let mut cargo = compiler.cargo();
    cargo
        .args(["build", "--quiet", "--package", "metadata-ebpf"])
        .args(["--bin", "metadata-ebpf", "--features", "programs"])
        .args(release.features())
        .args(["--profile", "bpf", "--target", TARGET, "--target-dir"])
        .arg(output)
        .current_dir(repository::root())
        .env("CARGO_ENCODED_RUSTFLAGS", rustc_flags(linker).join("\x1f"));
    cargo
}

fn rustc_flags(linker: &Path) -> Vec<String> {
    vec![
        format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf".to_owned(),
        // Log lines name their source file; this machine's paths are nobody's
        // business.
        format!("--remap-path-prefix={}/=", repository::root().display()),
    ]
}

/// Copies the object unless it is there already: cargo compiles the daemon
/// again whenever the file is newer.
fn install_object(built: &Path, installed: &Path) -> Result<()> {
    let object = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(installed).is_ok_and(|there| there == object) {
        return Ok(());
    }
    let unfinished = installed.with_extension("new");
    fs::create_dir_all(installed.parent().unwrap_or(installed))
        .and_then(|()| fs::write(&unfinished, object))
        .and_then(|()| fs::rename(&unfinished, installed))
        .with_context(|| format!("cannot write {}", installed.display()))
}

/// A command that sees nothing of the cargo that runs us.
fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for setting in HOST_SETTINGS {
        command.env_remove(setting);
    }
    command
}
