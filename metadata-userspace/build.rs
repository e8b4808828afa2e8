//! Brings to where the daemon embeds them: the eBPF object, and the program that a
//! waiting shim is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

const OVERRIDE: &str = "METADATAD_EBPF_OBJECT";
const BUILT_BY_XTASK: &str = "../target/bpf";
/// Objects of other releases than this one, by the feature that asks for them.
const OTHER_RELEASES: [(&str, &str); 2] = [
    ("CARGO_FEATURE_NEXT_CODE", "next-code.bpf.o"),
    ("CARGO_FEATURE_NEXT_ABI", "next-abi.bpf.o"),
];

/// The waiter's sources and what `src/shim/waiting.rs` calls the result.
const WAITER: [&str; 3] = [
    "src/shim/waiter.rs",
    "src/shim/waiter/kernel.rs",
    "src/shim/handover.rs",
];
const WAITER_PROGRAM: &str = "haproxy-waiter";
/// Where it has system calls to make; elsewhere a shim stays the whole program.
const WAITER_ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

fn main() {
    for done in [embed(), compile_waiter()] {
        if let Err(error) = done {
            println!("cargo::error={error:#}");
        }
    }
}

fn embed() -> Result<()> {
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    let object = match env::var_os(OVERRIDE) {
        Some(path) => PathBuf::from(path),
        None => built_by_xtask()?,
    };
    println!("cargo::rerun-if-changed={}", object.display());
    fs::copy(&object, out("metadatad.bpf.o")?).with_context(|| {
        format!(
            "no eBPF object at {}: run `cargo xtask build`, or name one in {OVERRIDE}",
            object.display()
        )
    })?;
    Ok(())
}

fn built_by_xtask() -> Result<PathBuf> {
    let is_asked_for = |(feature, _): &(&str, &str)| env::var_os(feature).is_some();
    let other = OTHER_RELEASES.into_iter().find(is_asked_for);
    let name = other.map_or("metadatad.bpf.o", |(_, name)| name);
    let directory = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(BUILT_BY_XTASK);
    Ok(directory.join(name))
}

fn out(name: &str) -> Result<PathBuf> {
    Ok(Path::new(&env::var("OUT_DIR")?).join(name))
}

/// Compiled by the compiler itself: a program without the standard library is no
/// target of a package that has it.
fn compile_waiter() -> Result<()> {
    for source in WAITER {
        println!("cargo::rerun-if-changed={source}");
    }
    let program = out(WAITER_PROGRAM)?;
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    if !WAITER_ARCHITECTURES.contains(&architecture.as_str()) {
        return Ok(fs::write(program, [])?);
    }
    let [source, ..] = WAITER;
    let mut compiler = Command::new(env::var("RUSTC")?);
    compiler
        .args(["--edition", "2024", "--crate-name", "haproxy_waiter"])
        .args(["--crate-type", "bin", "--target", &env::var("TARGET")?])
        .args(["-C", "opt-level=s", "-C", "panic=abort"])
        .args(["-C", "relocation-model=static", "-C", "strip=symbols"])
        .args(["-C", "target-feature=+crt-static"]);
    for flag in ["-nostartfiles", "-nostdlib", "-static", "-Wl,-z,norelro"] {
        compiler.arg("-C").arg(format!("link-arg={flag}"));
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compiler.arg("-C").arg(format!("linker={linker}"));
    }
    let status = compiler.arg(source).arg("-o").arg(program).status();
    let status = status.context("cannot start the compiler for the shim's waiter")?;
    if !status.success() {
        bail!("the shim's waiter does not compile: {status}");
    }
    Ok(())
}
