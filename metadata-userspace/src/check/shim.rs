//! Whose haproxy Neutron's agents would start.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{Finding, Severity};
use crate::config::ShimConfig;

/// Where rootwrap looks when its own configuration does not say.
const DIRECTORIES: &str = "/sbin,/usr/sbin,/bin,/usr/bin,/usr/local/bin,/usr/local/sbin";
const ROOTWRAP: &str = "/etc/neutron/rootwrap.conf";

/// What is to be seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShimFacts {
    /// The first haproxy in the agents' directories.
    pub haproxy: Option<PathBuf>,
    /// It is a link to metadatad.
    pub is_shim: bool,
    /// What `shim_fallback` names, and what hinders to run it.
    pub fallback: Option<(PathBuf, Result<(), String>)>,
}

impl ShimFacts {
    pub(super) fn gather(config: &ShimConfig) -> Self {
        let rootwrap = std::fs::read_to_string(ROOTWRAP).unwrap_or_default();
        let mut candidates = directories(&rootwrap).map(|directory| directory.join("haproxy"));
        let haproxy = candidates.find(|path| path.is_file());
        Self {
            is_shim: haproxy.as_deref().is_some_and(is_shim),
            haproxy,
            fallback: config.fallback.clone().map(|path| {
                let usable = usable(&path);
                (path, usable)
            }),
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let ok = |what| Finding {
            severity: Severity::Ok,
            what,
            remedy: None,
        };
        let haproxy = self.haproxy.as_ref().map(|path| {
            let path = path.display();
            ok(match self.is_shim {
                true => format!(
                    "{path} is the shim: namespaces in which Neutron's agents start it are \
                     served as long as it runs"
                ),
                false => format!(
                    "{path} is not the shim: metadatad serves the namespaces that it watches, \
                     beside it"
                ),
            })
        });
        let fallback = self.fallback.as_ref().map(|(path, usable)| match usable {
            Ok(()) => ok(format!("shim_fallback: {} can be run", path.display())),
            Err(reason) => Finding {
                severity: Severity::Warning,
                what: format!("shim_fallback: {} {reason}", path.display()),
                remedy: Some("correct shim_fallback, or leave it empty".to_owned()),
            },
        });
        haproxy.into_iter().chain(fallback).collect()
    }
}

/// `exec_dirs` of rootwrap's configuration, the last one that is set.
fn directories(rootwrap: &str) -> impl Iterator<Item = PathBuf> {
    let mut settings = rootwrap.lines().filter_map(|line| line.split_once('='));
    let set = settings.rfind(|(name, _)| name.trim() == "exec_dirs");
    let list = set.map_or(DIRECTORIES, |(_, list)| list).to_owned();
    let list: Vec<PathBuf> = list.split(',').map(|one| one.trim().into()).collect();
    list.into_iter()
}

/// Also another release of it than this one.
fn is_shim(path: &Path) -> bool {
    let target = path.canonicalize();
    target.is_ok_and(|target| {
        target.file_name().is_some_and(|name| name == "metadatad")
            || std::env::current_exe().is_ok_and(|own| own == target)
    })
}

fn usable(path: &Path) -> Result<(), String> {
    if is_shim(path) {
        return Err("is the shim itself".to_owned());
    }
    access(path, AccessFlags::X_OK).map_err(|reason| format!("cannot be run: {}", reason.desc()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn rootwraps_directories_are_the_agents() {
        let text = "[DEFAULT]\n# exec_dirs=/no\nexec_dirs = /opt/bin, /usr/bin\n";
        let found: Vec<_> = directories(text).collect();
        assert_eq!(found, [Path::new("/opt/bin"), Path::new("/usr/bin")]);
        assert_eq!(directories("").count(), 6);
    }

    #[test]
    fn a_link_to_metadatad_is_the_shim() {
        let directory = tempfile::tempdir().unwrap();
        let (link, program) = (
            directory.path().join("haproxy"),
            directory.path().join("metadatad"),
        );
        std::fs::write(&program, "").unwrap();
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert!(is_shim(&link));
        assert_eq!(usable(&link), Err("is the shim itself".to_owned()));
        assert!(!is_shim(Path::new("/bin/sh")));
        assert_eq!(usable(Path::new("/bin/sh")), Ok(()));
        assert!(usable(Path::new("/no/haproxy")).is_err());
    }

    #[test]
    fn a_fallback_that_is_not_there_is_a_warning() {
        let facts = ShimFacts {
            haproxy: Some("/usr/bin/haproxy".into()),
            is_shim: true,
            fallback: Some(("/no".into(), Err("cannot be run: it is gone".into()))),
        };
        let severities: Vec<_> = facts.findings().iter().map(|one| one.severity).collect();
        assert_eq!(severities, [Severity::Ok, Severity::Warning]);
    }
}
