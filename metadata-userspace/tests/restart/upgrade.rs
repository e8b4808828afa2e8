//! Another release in the place of the one that serves: with other programs in the kernel,
//! or with another ABI, up and down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result};
use metadata_ebpf::ABI_VERSION;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use xtask::lab::wait;
use xtask::process;
use xtask::releases::{Profile, Release, executable};

use crate::load::during;
use crate::reload::reload;
use crate::{DOCUMENT, LIMIT, METADATAD, Served, guest_of};

/// A service whose program is exchanged.
struct Installed {
    served: Served,
    program: PathBuf,
    _directory: TempDir,
}

impl Installed {
    fn create() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("metadatad");
        fs::copy(METADATAD, &program)?;
        Ok(Self {
            served: Served::of(&program, |setup| setup)?,
            program,
            _directory: directory,
        })
    }

    /// As a package manager does.
    fn install(&self, release: Release) -> Result<()> {
        let new = self.program.with_extension("new");
        match release {
            Release::This => fs::copy(METADATAD, &new)?,
            other => fs::copy(executable(other, Profile::Debug)?, &new)?,
        };
        Ok(fs::rename(new, &self.program)?)
    }

    /// What the kernel calls the program that steers the guest's frames: a hash of its
    /// instructions.
    fn tag(&self) -> Result<String> {
        let site = &self.served.site;
        let interface = &site.guest.router_interface;
        let inside = site.router.namespace();
        let filters = inside.sh(&format!("tc filter show dev {interface} ingress"))?;
        let mut words = filters.split_whitespace().skip_while(|word| *word != "tag");
        let tag = words.nth(1).with_context(|| format!("no tag: {filters}"))?;
        Ok(tag.to_owned())
    }

    /// Waits until the pins are those of a release, and of no other.
    fn wait_pinned(&self, release: Release) -> Result<()> {
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

#[test]
fn an_upgrade_that_is_killed_at_any_moment_leaves_guests_served() -> Result<()> {
    const MOMENTS: u32 = 24;
    let releases = [Release::NextAbi, Release::This, Release::NextCode];
    let mut installed = Installed::create()?;
    let guest = guest_of(&installed.served.site);
    let (mut serving, mut replaced, mut finished) = (Release::This, 0, 0);
    let tally = during(&guest, || {
        let start = Instant::now();
        installed.served.restart()?;
        // From before the programs are loaded until a while after all is served.
        let apart = start.elapsed() * 2 / MOMENTS;
        for (moment, release) in (1..=MOMENTS).zip(releases.into_iter().cycle()) {
            let before = installed.tag()?;
            installed.install(release)?;
            installed.served.manager.clear_said();
            let daemon = &mut installed.served.site.daemon;
            if moment.is_multiple_of(2) {
                daemon.stop()?;
                daemon.launch_again()?;
            } else {
                daemon.signal(Signal::SIGHUP)?;
            }
            sleep(apart * moment);
            daemon.kill()?;
            replaced += u32::from(installed.tag()? != before);
            let said = installed.served.manager.said();
            finished += u32::from(said.iter().any(|text| text.starts_with("READY=1")));
            // On to it, or back to the one before.
            if moment % 4 < 2 {
                installed.install(serving)?;
            } else {
                serving = release;
            }
            installed.served.start_again()?;
            installed.wait_pinned(serving)?;
        }
        Ok(())
    })?;
    tally.assert_served(&format!(
        "upgrades killed, of {MOMENTS} {replaced} after the programs and {finished} after READY"
    ));
    assert!(finished < MOMENTS, "none was interrupted");
    assert_eq!(installed.served.site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
