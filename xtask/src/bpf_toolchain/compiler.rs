//! A rustc that compiles for BPF.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::{TARGET, clean};
use crate::packages::{self, Package};
use crate::{process, repository};

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Rust for Debian's web browsers: newer than Debian's own, and the only one
/// with a `core` for BPF.
const DEBIAN_PACKAGES: &[Package] = &[
    Package {
        name: "rustc-web",
        reason: "compiles the eBPF programs",
    },
    Package {
        name: "libstd-rust-web-dev-bpf",
        reason: "is Rust's core library for BPF",
    },
];

/// A compiler that is on this machine, with a `core` for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compiler {
    /// rustup's nightly and its component rust-src.
    Nightly,
    /// Debian's rustc, called by its path.
    Debian,
}

impl fmt::Display for Compiler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nightly => "rustup's nightly and rust-src",
            Self::Debian => "Debian's rustc-web and libstd-rust-web-dev-bpf",
        })
    }
}

/// In the order in which they are tried: what is there, then what would have to
/// be installed.
pub(super) fn candidates() -> Vec<Compiler> {
    let (mut present, absent): (Vec<_>, Vec<_>) = [Compiler::Nightly, Compiler::Debian]
        .into_iter()
        .partition(|compiler| compiler.is_present());
    present.extend(absent);
    present
}

impl Compiler {
    pub(super) fn is_present(self) -> bool {
        let needed = match self {
            Self::Nightly => "lib/rustlib/src/rust/library/core/Cargo.toml".to_owned(),
            Self::Debian => format!("lib/rustlib/{TARGET}"),
        };
        self.sysroot()
            .is_ok_and(|sysroot| sysroot.join(needed).exists())
    }

    pub(super) fn provide(self) -> Result<()> {
        if self.is_present() {
            return Ok(());
        }
        eprintln!("      no {self} here; trying to install it");
        match self {
            Self::Nightly => install_nightly()?,
            Self::Debian => packages::install(DEBIAN_PACKAGES)?,
        }
        if !self.is_present() {
            bail!("it was installed, but without a core library for {TARGET}");
        }
        Ok(())
    }

    fn sysroot(self) -> Result<PathBuf> {
        let sysroot = process::read(self.rustc()?.args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(sysroot.trim()))
    }

    fn rustc(self) -> Result<Command> {
        match self {
            // Asking a toolchain that is not there, rustup would install it.
            Self::Nightly => Ok(clean(nightly_directory()?.join("bin/rustc"))),
            Self::Debian if Path::new(DEBIAN_RUSTC).exists() => Ok(clean(DEBIAN_RUSTC)),
            Self::Debian => bail!("there is no {DEBIAN_RUSTC}"),
        }
    }

    /// The major version of its LLVM, whose bitcode the linker must read.
    pub(super) fn llvm(self) -> Result<u32> {
        let version = process::read(self.rustc()?.arg("-vV"))?;
        version
            .lines()
            .find_map(|line| {
                line.strip_prefix("LLVM version: ")?
                    .split('.')
                    .next()?
                    .parse()
                    .ok()
            })
            .with_context(|| format!("{self}: rustc does not tell its LLVM version"))
    }

    /// A cargo that compiles with it.
    pub(super) fn cargo(self) -> Command {
        match self {
            Self::Nightly => {
                let mut cargo = clean("rustup");
                cargo.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
                cargo
            }
            Self::Debian => {
                let mut cargo = clean(repository::cargo().get_program());
                // aya-ebpf asks for one unstable feature, and by this setting
                // Debian's release compiler allows it.
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        }
    }
}

fn nightly_directory() -> Result<PathBuf> {
    let listing = process::read(clean("rustup").args(["toolchain", "list", "--verbose"]))?;
    listing
        .lines()
        .filter(|line| line.starts_with("nightly-"))
        .find_map(|line| line.split_whitespace().last().map(PathBuf::from))
        .ok_or_else(|| anyhow!("rustup has no nightly toolchain"))
}

fn install_nightly() -> Result<()> {
    if !process::exists("rustup") {
        bail!("there is no rustup on this machine");
    }
    process::read(clean("rustup").args([
        "toolchain",
        "install",
        "nightly",
        "--profile=minimal",
        "--component=rust-src",
        "--no-self-update",
    ]))?;
    Ok(())
}
