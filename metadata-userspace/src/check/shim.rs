//! Whose haproxy Neutron's agents would start.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::agents_path::agents_path;
use super::{Finding, Severity};
use crate::config::ShimConfig;

/// Where rootwrap looks when its own configuration does not say.
const EXEC_DIRS: &str = "/sbin,/usr/sbin,/bin,/usr/bin,/usr/local/bin,/usr/local/sbin";
const ROOTWRAP: &str = "/etc/neutron/rootwrap.conf";

/// What is to be seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShimFacts {
    /// The first haproxy on the agents' PATH.
    pub haproxy: Option<PathBuf>,
    /// It is a link to metadatad.
    pub is_shim: bool,
    /// rootwrap is there, and has a haproxy in none of its directories.
    pub is_unknown_to_rootwrap: bool,
    /// What `shim_fallback` names, and what hinders to run it.
    pub fallback: Option<(PathBuf, Result<(), String>)>,
}

impl ShimFacts {
    pub(super) fn gather(config: &ShimConfig) -> Self {
        let haproxy = first_haproxy(&agents_path());
        let rootwrap = std::fs::read_to_string(ROOTWRAP).ok();
        let exec_dirs = rootwrap.as_deref().map(exec_dirs);
        Self {
            is_shim: haproxy.as_deref().is_some_and(is_shim),
            haproxy,
            is_unknown_to_rootwrap: exec_dirs.is_some_and(|all| first_haproxy(&all).is_none()),
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
        let unknown = self.is_unknown_to_rootwrap.then(|| Finding {
            severity: Severity::Warning,
            what: "rootwrap lets Neutron's agents start no haproxy: none is in its exec_dirs"
                .to_owned(),
            remedy: Some(format!(
                "put the shim's directory into exec_dirs in {ROOTWRAP}"
            )),
        });
        let unknown = unknown.filter(|_| self.is_shim);
        haproxy.into_iter().chain(unknown).chain(fallback).collect()
    }
}

fn first_haproxy(directories: &[PathBuf]) -> Option<PathBuf> {
    let mut candidates = directories.iter().map(|one| one.join("haproxy"));
    candidates.find(|path| path.is_file())
}

/// `exec_dirs` of rootwrap's configuration, the last one that is set. rootwrap only
/// makes sure that a haproxy is in one of them; it then runs the one that PATH leads
/// to, because it starts `ip netns exec … env … haproxy` (oslo_rootwrap/wrapper.py,
/// `match_filter`).
fn exec_dirs(rootwrap: &str) -> Vec<PathBuf> {
    let mut settings = rootwrap.lines().filter_map(|line| line.split_once('='));
    let set = settings.rfind(|(name, _)| name.trim() == "exec_dirs");
    let list = set.map_or(EXEC_DIRS, |(_, list)| list);
    list.split(',').map(|one| one.trim().into()).collect()
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
    fn rootwraps_directories_are_those_it_names() {
        let text = "[DEFAULT]\n# exec_dirs=/no\nexec_dirs = /opt/bin, /usr/bin\n";
        assert_eq!(
            exec_dirs(text),
            [Path::new("/opt/bin"), Path::new("/usr/bin")]
        );
        assert_eq!(exec_dirs("").len(), 6);
    }

    #[test]
    fn the_first_haproxy_is_the_one_that_runs() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(first_haproxy(&path), None);
        std::fs::write(second.path().join("haproxy"), "").unwrap();
        assert_eq!(first_haproxy(&path), Some(second.path().join("haproxy")));
        std::fs::write(first.path().join("haproxy"), "").unwrap();
        assert_eq!(first_haproxy(&path), Some(first.path().join("haproxy")));
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
            is_unknown_to_rootwrap: false,
            fallback: Some(("/no".into(), Err("cannot be run: it is gone".into()))),
        };
        let severities: Vec<_> = facts.findings().iter().map(|one| one.severity).collect();
        assert_eq!(severities, [Severity::Ok, Severity::Warning]);
    }

    #[test]
    fn a_shim_that_rootwrap_does_not_let_run_is_a_warning() {
        let mut facts = ShimFacts {
            haproxy: Some("/opt/shim/haproxy".into()),
            is_shim: true,
            is_unknown_to_rootwrap: true,
            fallback: None,
        };
        let warnings = |facts: &ShimFacts| {
            let findings = facts.findings().into_iter();
            findings
                .filter(|one| one.severity == Severity::Warning)
                .map(|one| one.remedy.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            warnings(&facts),
            ["put the shim's directory into exec_dirs in /etc/neutron/rootwrap.conf"]
        );
        // Whoever has no shim has haproxy's package or no metadata proxies.
        facts.is_shim = false;
        assert_eq!(warnings(&facts), [""; 0]);
    }
}
