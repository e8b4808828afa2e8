//! One demonstration at a time, and none leaves anything behind: not even one
//! that was killed, whose remains the next one removes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::lab::namespace;

/// Everything of the demonstration that is a file lives in here.
const DIRECTORY: &str = "/run/metadatad-demo";

/// The place of a demonstration; its directory is removed on drop.
pub(super) struct Place {
    _lock: Flock<File>,
}

impl Place {
    /// Takes the place, after removing what a killed demonstration left.
    ///
    /// # Errors
    /// When a demonstration is running, or somebody else's namespace has one of
    /// the names that we need.
    pub(super) fn take(namespaces: &[&str]) -> Result<Self> {
        let directory = Path::new(DIRECTORY);
        let had_remains = directory.exists();
        fs::create_dir_all(directory).with_context(|| format!("cannot make {DIRECTORY}"))?;
        let file = File::create(directory.join("lock"))?;
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            bail!("a demonstration is running already: end it first, with Ctrl-C");
        };
        let place = Self { _lock: lock };
        if had_remains {
            remove_remains(directory, namespaces);
        }
        for name in namespaces {
            if Path::new(namespace::DIRECTORY).join(name).exists() {
                bail!(
                    "there is a namespace {name} that the demonstration did not make: \
                     if nobody needs it, remove it with `ip netns delete {name}`"
                );
            }
        }
        Ok(place)
    }

    pub(super) fn directory(&self) -> &'static Path {
        Path::new(DIRECTORY)
    }

    /// Notes where the pins will be, for whoever finds the remains.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub(super) fn note_pins(&self, bpffs: &Path) -> Result<()> {
        Ok(fs::write(note(), bpffs.as_os_str().as_encoded_bytes())?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(DIRECTORY) {
            eprintln!("warning: {DIRECTORY} stays behind: {error}");
        }
    }
}

fn note() -> PathBuf {
    Path::new(DIRECTORY).join("pins")
}

/// The filters and routes are gone with their namespaces.
fn remove_remains(directory: &Path, namespaces: &[&str]) {
    eprintln!("      removing what a killed demonstration left behind");
    for name in namespaces {
        namespace::remove(name);
    }
    if let Ok(bpffs) = fs::read_to_string(note())
        && Path::new(&bpffs).exists()
        && let Err(error) = fs::remove_dir_all(&bpffs)
    {
        eprintln!("warning: {bpffs} stays behind: {error}");
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            eprintln!("warning: {} stays behind: {error}", entry.path().display());
        }
    }
}
