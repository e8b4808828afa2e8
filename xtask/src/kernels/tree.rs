//! A kernel's packages, unpacked and never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::archive;
use super::release::Release;
use crate::process;

/// A kernel that can be booted.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Of Debian's package.
    pub(super) version: String,
    /// What the kernel calls itself, `uname -r`.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// Stands for `/`, or for `/usr` where Debian has modules there: `lib/modules`
    /// is in here.
    pub(super) base: PathBuf,
}

/// Downloads the newest kernel of a line, unless it is there already.
///
/// # Errors
/// When Debian has none, or its packages cannot be had or unpacked.
pub(super) fn fetch(release: Release, place: &Path) -> Result<Kernel> {
    let includes = |version: &str| release.includes(version);
    let (archive, version) = archive::find(&place.join("apt"), release.places(), includes)?;
    let (tree, note) = (place.join("tree"), place.join("version"));
    let is_there = fs::read_to_string(&note).is_ok_and(|text| text == version);
    if !is_there {
        eprintln!("      downloading {version}");
        let work = tempfile::tempdir_in(place)?;
        archive.download(&version, work.path())?;
        remove_if_there(&note)?;
        remove_if_there(&tree)?;
        unpack(work.path(), &tree)?;
        // Written last: without it the tree is taken for half of one.
        fs::write(&note, &version)?;
    }
    find(version, &tree)
}

fn remove_if_there(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn unpack(packages: &Path, tree: &Path) -> Result<()> {
    for package in fs::read_dir(packages)? {
        let mut extract = Command::new("dpkg-deb");
        extract.arg("--extract").arg(package?.path()).arg(tree);
        process::read(&mut extract)?;
    }
    Ok(())
}

fn find(version: String, tree: &Path) -> Result<Kernel> {
    let base = [tree.join("usr"), tree.to_owned()]
        .into_iter()
        .find(|base| base.join("lib/modules").is_dir())
        .with_context(|| format!("no modules in {}", tree.display()))?;
    let modules = fs::read_dir(base.join("lib/modules"))?
        .next()
        .context("no kernel's modules")??;
    let release = modules.file_name().to_string_lossy().into_owned();
    let places = [
        tree.join(format!("boot/vmlinuz-{release}")),
        modules.path().join("vmlinuz"),
    ];
    let image = places.into_iter().find(|place| place.is_file());
    let image = image.with_context(|| format!("no kernel image in {}", tree.display()))?;
    // Debian's packages leave this to their installation.
    let mut depmod = Command::new("depmod");
    depmod.arg("--basedir").arg(&base).arg(&release);
    process::read(&mut depmod)?;
    Ok(Kernel {
        version,
        release,
        image,
        base,
    })
}
