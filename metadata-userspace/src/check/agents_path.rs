//! The PATH on which Neutron's agents find the programs that they start as root.

use std::fs;
use std::path::{Path, PathBuf};

/// systemd's for its services, and `ip` and `env` keep it.
const OF_SERVICES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SUDOERS: &str = "/etc/sudoers";
const SUDOERS_DIR: &str = "/etc/sudoers.d";
/// The user of the agents in every distribution's packages.
const USER: &str = "neutron";

/// Its directories: those that sudo sets, since the agents' root_helper is sudo, or
/// those of a service.
pub(super) fn agents_path() -> Vec<PathBuf> {
    let sudoers = sudoers(Path::new(SUDOERS), Path::new(SUDOERS_DIR));
    let path = secure_path(&sudoers).unwrap_or(OF_SERVICES);
    path.split(':').map(PathBuf::from).collect()
}

/// The file, and behind it those of the directory as sudo reads them.
fn sudoers(file: &Path, directory: &Path) -> String {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| !name.contains('.') && !name.ends_with('~'))
        .collect();
    names.sort();
    let of_directory = names.iter().map(|name| directory.join(name));
    let texts = [file.to_owned()].into_iter().chain(of_directory);
    texts
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What `Defaults secure_path` says: the last one for the agents' user, before the last
/// one for everybody.
fn secure_path(sudoers: &str) -> Option<&str> {
    let settings: Vec<_> = sudoers.lines().filter_map(setting).collect();
    let last = |wanted: &str| {
        let mut settings = settings.iter().rev();
        settings.find(|(scope, _)| *scope == wanted)
    };
    let found = last(USER).or_else(|| last(""));
    found.map(|(_, path)| *path)
}

/// For whom a line sets the path, and to what.
fn setting(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim().strip_prefix("Defaults")?;
    let (scope, rest) = rest.split_once([' ', '\t'])?;
    let rest = rest.trim_start().strip_prefix("secure_path")?;
    let path = rest.trim_start().strip_prefix('=')?;
    let path = path.trim().trim_matches('"');
    match scope {
        "" => Some(("", path)),
        _ => Some((scope.strip_prefix(':')?, path)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_sudo_sets_for_the_agents() {
        let debian = "Defaults\tenv_reset\nDefaults\tsecure_path=\"/usr/local/sbin:/usr/sbin\"\n";
        assert_eq!(secure_path(debian), Some("/usr/local/sbin:/usr/sbin"));
        let red_hat = "Defaults    secure_path = /sbin:/bin:/usr/sbin\n";
        assert_eq!(secure_path(red_hat), Some("/sbin:/bin:/usr/sbin"));
        let both = format!("Defaults:neutron secure_path=/opt/shim:/bin\n{red_hat}");
        assert_eq!(secure_path(&both), Some("/opt/shim:/bin"));
        let twice = format!("{debian}{red_hat}");
        assert_eq!(secure_path(&twice), Some("/sbin:/bin:/usr/sbin"));
        for none in [
            "",
            "# Defaults secure_path=/x",
            "Defaults:nova secure_path=/x",
            "Defaults !secure_path",
        ] {
            assert_eq!(secure_path(none), None, "{none}");
        }
    }

    #[test]
    fn files_of_the_directory_come_behind_and_backups_do_not_count() {
        let place = tempfile::tempdir().unwrap();
        let (file, directory) = (place.path().join("sudoers"), place.path().join("d"));
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "one").unwrap();
        for name in ["20-b", "10-a", "30-c.bak", "40-d~"] {
            fs::write(directory.join(name), name).unwrap();
        }
        assert_eq!(sudoers(&file, &directory), "one\n10-a\n20-b");
        assert_eq!(sudoers(Path::new("/no/file"), Path::new("/no/dir")), "");
    }
}
