//! Brings the eBPF object to where the daemon embeds it from.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};

const OVERRIDE: &str = "METADATAD_EBPF_OBJECT";
const BUILT_BY_XTASK: &str = "../target/bpf/metadatad.bpf.o";

fn main() {
    if let Err(error) = embed() {
        println!("cargo::error={error:#}");
    }
}

fn embed() -> Result<()> {
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    let object = match env::var_os(OVERRIDE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(BUILT_BY_XTASK),
    };
    println!("cargo::rerun-if-changed={}", object.display());
    let embedded = Path::new(&env::var("OUT_DIR")?).join("metadatad.bpf.o");
    fs::copy(&object, embedded).with_context(|| {
        format!(
            "no eBPF object at {}: run `cargo xtask build`, or name one in {OVERRIDE}",
            object.display()
        )
    })?;
    Ok(())
}
