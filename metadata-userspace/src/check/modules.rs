//! Whether the running kernel can have a feature that may be a module.

use std::path::Path;

/// What the module directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    BuiltIn,
    Loaded,
    /// The kernel loads it when it is first used.
    Loadable,
    Missing,
    /// There is no module directory, as in many containers.
    Unknown,
}

/// The lists that tell it.
pub(super) struct KernelModules {
    loaded: String,
    built_in: Option<String>,
    loadable: Option<String>,
}

impl KernelModules {
    /// Of the file system below `root`.
    pub(super) fn of(root: &Path, release: &str) -> Self {
        let directory = root.join("lib/modules").join(release);
        let read = |path| std::fs::read_to_string(path).ok();
        Self {
            loaded: read(root.join("proc/modules")).unwrap_or_default(),
            built_in: read(directory.join("modules.builtin")),
            loadable: read(directory.join("modules.dep")),
        }
    }

    pub(super) fn availability(&self, name: &str) -> Availability {
        let mut loaded = self.loaded.lines();
        if loaded.any(|line| line.split(' ').next() == Some(name)) {
            return Availability::Loaded;
        }
        match (&self.built_in, &self.loadable) {
            (Some(list), _) if lists(list, name) => Availability::BuiltIn,
            (_, Some(list)) if lists(list, name) => Availability::Loadable,
            (Some(_), Some(_)) => Availability::Missing,
            _ => Availability::Unknown,
        }
    }
}

/// Lines like `kernel/net/sched/cls_bpf.ko.xz: …`.
fn lists(list: &str, name: &str) -> bool {
    list.lines()
        .filter_map(|line| line.split(':').next()?.rsplit('/').next())
        .any(|file| file.split('.').next() == Some(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_a_distribution_lists_them() {
        let root = tempfile::tempdir().unwrap();
        let lists = root.path().join("lib/modules/6.1.0");
        std::fs::create_dir_all(&lists).unwrap();
        std::fs::create_dir_all(root.path().join("proc")).unwrap();
        let write = |path: &str, text: &str| std::fs::write(root.path().join(path), text).unwrap();
        write("proc/modules", "veth 32768 0 - Live 0x0\n");
        write(
            "lib/modules/6.1.0/modules.builtin",
            "kernel/net/sched/sch_ingress.ko\n",
        );
        write(
            "lib/modules/6.1.0/modules.dep",
            "kernel/net/sched/cls_bpf.ko.xz: kernel/net/other.ko.xz\n",
        );
        let modules = KernelModules::of(root.path(), "6.1.0");
        for (name, found) in [
            ("veth", Availability::Loaded),
            ("sch_ingress", Availability::BuiltIn),
            ("cls_bpf", Availability::Loadable),
            ("other", Availability::Missing),
        ] {
            assert_eq!(modules.availability(name), found, "{name}");
        }
        let none = KernelModules::of(root.path(), "5.10.0");
        assert_eq!(none.availability("cls_bpf"), Availability::Unknown);
    }
}
