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

impl ConfigSource {
    /// What Neutron's services read when the command line names nothing, as
    /// far as it exists.
    pub fn defaults() -> Vec<Self> {
        Self::defaults_under(Path::new("/etc/neutron"))
    }

    fn defaults_under(directory: &Path) -> Vec<Self> {
        ["neutron.conf", "metadata_agent.ini"]
            .into_iter()
            .map(|name| directory.join(name))
            // One that cannot be looked at is there until reading it says why not.
            .filter(|path| act_on(path, |path| path.try_exists()).unwrap_or(true))
            .map(Self::File)
            .collect()
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
    fn without_arguments_the_files_of_neutron_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ConfigSource::defaults_under(dir.path()), []);
        let agent = dir.path().join("metadata_agent.ini");
        let common = dir.path().join("neutron.conf");
        for file in [&agent, &common] {
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(
            ConfigSource::defaults_under(dir.path()),
            [ConfigSource::File(common), ConfigSource::File(agent)]
        );
    }
}
