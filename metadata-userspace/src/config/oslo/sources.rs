//! Which files are read, and in which order.

use std::io;
use std::path::{Path, PathBuf};

use crate::rights::act_on;

/// One `--config-file` or `--config-dir`, in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    File(PathBuf),
    /// Its `*.conf` files in the order of their names.
    Dir(PathBuf),
}

/// What is read when the command line names nothing; later ones win. First Neutron's own;
/// containers of its agents have `/etc/neutron` of the host, and so one of ours is there too.
const FILES: [&str; 4] = [
    "etc/neutron/neutron.conf",
    "etc/neutron/metadata_agent.ini",
    "etc/neutron/metadatad.conf",
    "etc/metadatad.conf",
];
const DIRECTORY: &str = "etc/metadatad";

impl ConfigSource {
    /// What every command reads, and each shim, when nothing else is named, as far as it
    /// exists.
    pub fn defaults() -> Vec<Self> {
        Self::defaults_under(Path::new("/"))
    }

    fn defaults_under(root: &Path) -> Vec<Self> {
        let files = FILES.map(|name| Self::File(root.join(name)));
        let directory = Self::Dir(root.join(DIRECTORY));
        let all = files.into_iter().chain([directory]);
        all.filter(Self::exists).collect()
    }

    /// One that cannot be looked at is there until reading it says why not.
    pub(in crate::config) fn exists(&self) -> bool {
        let (Self::File(path) | Self::Dir(path)) = self;
        act_on(path, |path| path.try_exists()).unwrap_or(true)
    }

    /// The files that this names.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        match self {
            Self::File(path) => Ok(vec![path.clone()]),
            Self::Dir(path) => files_of(path).map_err(|error| (path.clone(), error)),
        }
    }
}

fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in act_on(directory, |path| std::fs::read_dir(path))? {
        let path = directory.join(entry?.file_name());
        // Python's glob: `*` does not match a leading dot.
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|ending| ending == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_conf_files_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["20-b.conf", "10-a.conf", "notes.txt", ".hidden.conf"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let files = ConfigSource::Dir(dir.path().to_owned()).files().unwrap();
        assert_eq!(
            files,
            [dir.path().join("10-a.conf"), dir.path().join("20-b.conf")]
        );
    }

    #[test]
    fn without_arguments_neutrons_files_are_read_and_then_ours() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(ConfigSource::defaults_under(root.path()), []);
        std::fs::create_dir_all(root.path().join("etc/neutron")).unwrap();
        std::fs::create_dir(root.path().join("etc/metadatad")).unwrap();
        let files = FILES.map(|name| root.path().join(name));
        for file in files.iter().rev() {
            std::fs::write(file, "").unwrap();
        }
        let directory = ConfigSource::Dir(root.path().join("etc/metadatad"));
        let all = files.map(ConfigSource::File).into_iter();
        let all: Vec<_> = all.chain([directory]).collect();
        assert_eq!(ConfigSource::defaults_under(root.path()), all);
    }
}
