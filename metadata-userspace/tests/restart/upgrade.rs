//! Another release in the place of the one that serves: with other programs in the kernel,
//! or with another ABI, up and down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use metadata_ebpf::ABI_VERSION;
use tempfile::TempDir;
use xtask::lab::daemon::Setup;
use xtask::lab::{programs, wait};
use xtask::process;
use xtask::releases::{Profile, Release, executable};

use crate::load::during;
use crate::reload::reload;
use crate::{LIMIT, METADATAD, Served, guest_of};

/// A service whose program is exchanged.
pub(crate) struct Installed {
    pub(crate) served: Served,
    program: PathBuf,
    _directory: TempDir,
}

impl Installed {
    pub(crate) fn create() -> Result<Self> {
        Self::with(|setup| setup)
    }

    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("metadatad");
        programs::copy(METADATAD, &program)?;
        Ok(Self {
            served: Served::of(&program, change)?,
            program,
            _directory: directory,
        })
    }

    /// As a package manager does.
    pub(crate) fn install(&self, release: Release) -> Result<()> {
        let new = self.program.with_extension("new");
        match release {
            Release::This => programs::copy(METADATAD, &new)?,
            other => programs::copy(executable(other, Profile::Debug)?, &new)?,
        }
        Ok(fs::rename(new, &self.program)?)
    }

    /// What the kernel calls the program that steers the guest's frames: a hash of its
    /// instructions.
    pub(crate) fn tag(&self) -> Result<String> {
        let site = &self.served.site;
        let interface = &site.guest.router_interface;
        let inside = site.router.namespace();
        let filters = inside.sh(&format!("tc filter show dev {interface} ingress"))?;
        let mut words = filters.split_whitespace().skip_while(|word| *word != "tag");
        let tag = words.nth(1).with_context(|| format!("no tag: {filters}"))?;
        Ok(tag.to_owned())
    }

    /// Waits until the pins are those of a release, and of no other.
    pub(crate) fn wait_pinned(&self, release: Release) -> Result<()> {
        let version = match release {
            Release::NextAbi => ABI_VERSION + 1,
            Release::This | Release::NextCode => ABI_VERSION,
        };
        let wanted = vec![format!("v{version}")];
        wait::until("one version alone is pinned", LIMIT, || {
            Ok(versions(self.served.site.daemon.bpffs())? == wanted)
        })
    }

    fn counters(&self, version: &str) -> Result<String> {
        let map = self.served.site.daemon.bpffs().join(version);
        let mut bpftool = std::process::Command::new("bpftool");
        bpftool.args(["map", "dump", "pinned"]);
        process::read(bpftool.arg(map.join("maps/verdicts")))
    }
}

fn versions(bpffs: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(bpffs)? {
        names.extend(entry?.file_name().into_string());
    }
    names.retain(|name| name.starts_with('v'));
    Ok(names)
}

#[test]
fn no_request_fails_when_another_release_takes_over() -> Result<()> {
    use Release::{NextAbi, NextCode, This};
    let mut installed = Installed::create()?;
    let guest = guest_of(&installed.served.site);
    let mut tags = BTreeMap::from([(This.name(), installed.tag()?)]);
    let tally = during(&guest, || {
        for (number, release) in (0..).zip([NextCode, NextAbi, This, NextAbi, NextCode, This]) {
            installed.install(release)?;
            if number % 2 == 0 {
                reload(&mut installed.served.site)?;
            } else {
                installed.served.restart()?;
            }
            installed.wait_pinned(release)?;
            let tag = installed.tag()?;
            let before = tags.entry(release.name()).or_insert_with(|| tag.clone());
            assert_eq!(*before, tag, "{release:?}");
            if release == NextAbi {
                let counters = installed.counters(&format!("v{}", ABI_VERSION + 1))?;
                assert!(counters.contains("longest"), "{counters}");
            }
        }
        Ok(())
    })?;
    tally.assert_served("upgrades and downgrades");
    // They are really other programs.
    let different: std::collections::BTreeSet<_> = tags.values().collect();
    assert_eq!(different.len(), 3, "{tags:?}");
    Ok(())
}
