//! What shims and the daemon have to agree on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::options as table;
use super::oslo::{ConfigSource, Settings};
use super::reader::Reader;

/// Environment variable: files that a shim, which Neutron's agents start without a word of
/// ours, reads in the place of [`ConfigSource::defaults`], with colons between them.
const OVERRIDE: &str = "METADATAD_CONFIG";

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
        let sources = match &named {
            Some(list) => std::env::split_paths(list)
                .map(ConfigSource::File)
                .filter(ConfigSource::exists)
                .collect(),
            None => ConfigSource::defaults(),
        };
        Self::of_sources(&sources)
    }

    fn of_sources(sources: &[ConfigSource]) -> (Self, Vec<String>) {
        let (settings, unreadable) = Settings::read(sources);
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
        let sources: Vec<_> = files.into_iter().map(ConfigSource::File).collect();
        ShimConfig::of_sources(&sources)
    }

    fn defaults() -> ShimConfig {
        ShimConfig {
            socket: "/run/metadatad/shim.sock".into(),
            fallback: None,
        }
    }

    #[test]
    fn later_files_win() {
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
