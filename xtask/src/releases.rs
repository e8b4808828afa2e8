//! This release of metadatad, and others as the next might be: what upgrades are tested
//! with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{bpf_toolchain, process, repository};

/// A release, by what its eBPF object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// What is in the tree.
    This,
    /// With other instructions.
    NextCode,
    /// With another ABI: another layout of the maps, and another place for pins.
    NextAbi,
}

impl Release {
    /// Those that are not what is in the tree.
    pub const OTHERS: [Self; 2] = [Self::NextCode, Self::NextAbi];

    /// The Cargo feature of both crates that makes it.
    const fn feature(self) -> Option<&'static str> {
        match self {
            Self::This => None,
            Self::NextCode => Some("next-code"),
            Self::NextAbi => Some("next-abi"),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.feature().unwrap_or("this")
    }

    /// What Cargo is told to make it.
    pub(crate) fn features(self) -> Vec<&'static str> {
        let feature = self.feature();
        feature.map_or_else(Vec::new, |feature| vec!["--features", feature])
    }

    /// The file name of its eBPF object.
    pub(crate) fn object(self) -> String {
        format!("{}.bpf.o", self.feature().unwrap_or("metadatad"))
    }

    fn executable(self, profile: Profile) -> PathBuf {
        let name = format!("metadatad-{}", self.name());
        let directory = repository::target().join("releases");
        directory.join(profile.directory()).join(name)
    }
}

/// How it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

impl Profile {
    const fn directory(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }
}

/// Builds the other releases. What is in the tree has to be built afterwards: Cargo puts
/// all of them at one place, from which these are copied.
///
/// # Errors
/// When one does not compile.
pub fn build_others(profile: Profile) -> Result<()> {
    for release in Release::OTHERS {
        bpf_toolchain::build_object(release)?;
        let mut cargo = repository::cargo();
        cargo
            .args(["build", "--package", "metadata-userspace"])
            .args(["--bin", "metadatad"])
            .args(release.features())
            .args(profile.flags());
        process::run(&mut cargo)?;
        let built = repository::target().join(profile.directory());
        install(&built.join("metadatad"), &release.executable(profile))?;
    }
    Ok(())
}

/// Where another release is.
///
/// # Errors
/// When it was never built.
pub fn executable(release: Release, profile: Profile) -> Result<PathBuf> {
    let executable = release.executable(profile);
    executable.canonicalize().with_context(|| {
        format!(
            "there is no {}; `cargo xtask test` and `bench` build it",
            executable.display()
        )
    })
}

/// Under another name first: it may be running.
fn install(built: &Path, installed: &Path) -> Result<()> {
    let unfinished = installed.with_extension("new");
    fs::create_dir_all(installed.parent().unwrap_or(installed))
        .and_then(|()| fs::copy(built, &unfinished))
        .and_then(|_| fs::rename(&unfinished, installed))
        .with_context(|| format!("cannot write {}", installed.display()))
}
