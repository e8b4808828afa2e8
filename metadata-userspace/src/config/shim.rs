//! What shims and the daemon have to agree on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::options as table;
use super::oslo::{ConfigSource, Settings};
use super::reader::Reader;

/// Environment variable: files that a shim reads in the place of [`FILES`], with
/// colons between them.
const OVERRIDE: &str = "METADATAD_CONFIG";

/// Where a shim looks, which Neutron's agents start without a word of ours; later ones
/// win. Containers of agents have `/etc/neutron` of the host.
const FILES: [&str; 4] = [
    "/etc/neutron/neutron.conf",
    "/etc/neutron/metadata_agent.ini",
    "/etc/neutron/metadatad.conf",
    "/etc/metadatad.conf",
];

/// The haproxy shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimConfig {
    /// `[metadatad] shim_socket`.
    pub socket: PathBuf,
    /// `[metadatad] shim_fallback`.
    pub fallback: Option<PathBuf>,
}

impl ShimConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            socket: reader.read(&table::SHIM_SOCKET),
            fallback: reader.read(&table::SHIM_FALLBACK),
        }
    }

    /// What a shim finds on this host, and what hindered: a proxy is started all the
    /// same.
    pub fn of_host() -> (Self, Vec<String>) {
        let named = std::env::var_os(OVERRIDE);
        let files: Vec<PathBuf> = match &named {
            Some(list) => std::env::split_paths(list).collect(),
            None => FILES.iter().map(PathBuf::from).collect(),
        };
        Self::of_files(&files)
    }

    fn of_files(files: &[impl AsRef<Path>]) -> (Self, Vec<String>) {
        let there = files.iter().filter(|path| path.as_ref().exists());
        let sources: Vec<_> = there
            .map(|path| ConfigSource::File(path.as_ref().to_owned()))
            .collect();
        let (settings, unreadable) = Settings::read(&sources);
        let mut problems: Vec<String> = unreadable
            .into_iter()
            .map(|one| format!("{}: {}", one.place, one.problem))
            .collect();
        let mut reader = Reader::new(&settings, Vec::new());
        let mut config = Self::read(&mut reader);
        let errors = reader.into_errors();
        if !errors.is_empty() {
            config = Self::read(&mut Reader::new(&Settings::default(), Vec::new()));
        }
        problems.extend(errors.iter().map(ToString::to_string));
        (config, problems)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> (ShimConfig, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..texts.len())
            .map(|number| directory.path().join(number.to_string()))
            .collect();
        for (path, text) in files.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        ShimConfig::of_files(&[files, vec![directory.path().join("missing")]].concat())
    }

    fn defaults() -> ShimConfig {
        ShimConfig {
            socket: "/run/metadatad/shim.sock".into(),
            fallback: None,
        }
    }

    #[test]
    fn later_files_win_and_missing_ones_do_not_matter() {
        assert_eq!(read(&[]), (defaults(), vec![]));
        let (config, problems) = read(&[
            "[DEFAULT]\nhost = x\n[metadatad]\nshim_socket = /a\nshim_fallback = /usr/sbin/haproxy\n",
            "[metadatad]\nshim_socket = /b\n",
        ]);
        let expected = ShimConfig {
            socket: "/b".into(),
            fallback: Some("/usr/sbin/haproxy".into()),
        };
        assert_eq!((config, problems), (expected, vec![]));
    }

    #[test]
    fn a_faulty_file_hinders_no_proxy() {
        let (config, problems) = read(&["[metadatad]\nshim_socket =\n"]);
        assert_eq!(config, defaults());
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
