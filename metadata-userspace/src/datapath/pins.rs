//! Where kernel objects are kept under a name:
//!
//! ```text
//! <bpffs>/v<ABI>/progs/metadata_steer
//! <bpffs>/v<ABI>/maps/verdicts
//! <bpffs>/links/<namespace inode>-<interface index>-ingress
//! <bpffs>/shims/<namespace cookie>
//! ```
//!
//! Programs and maps are pinned so that operators can read them with bpftool
//! and the next daemon goes on with the counters. A TCX link lives as long as
//! its pin; links stand outside the version, since any version may take them
//! over.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::{fs, path};

use aya::pin::PinError;
use aya::programs::links::PinnedLink;
use metadata_ebpf::ABI_VERSION;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{FsType, statfs};

use super::Direction;
use super::notes::SHIMS;

/// Where systemd mounts the host's bpffs.
const SYSTEM_BPFFS: &str = "/sys/fs/bpf";
/// `BPF_FS_MAGIC` of the kernel's uapi/linux/magic.h.
const BPF_FS_MAGIC: FsType = FsType(0xcafe_4a11);
const LINKS: &str = "links";
/// Not a dot: bpffs reserves names that contain one.
const UNFINISHED: &str = "-new";

#[derive(Debug)]
pub(super) struct Pins {
    root: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    #[error("cannot mount a bpffs at {path}: {source}; this takes CAP_SYS_ADMIN")]
    Mount { path: PathBuf, source: io::Error },
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot pin {path}: {source}")]
    Pin { path: PathBuf, source: PinError },
}

impl Pins {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.version().join("progs").join(name)
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.version().join("maps").join(name)
    }

    pub(super) fn link(&self, namespace: u64, ifindex: u32, direction: Direction) -> PathBuf {
        let side = side(direction);
        self.links().join(format!("{namespace}-{ifindex}-{side}"))
    }

    /// The interfaces of a namespace that links are pinned for. All links are gone through:
    /// most hosts have none, and to look for one that is not there has the kernel remember
    /// that.
    pub(super) fn links_in(&self, namespace: u64) -> Result<BTreeSet<(u32, Direction)>, PinsError> {
        let pinned = self.pinned_links()?;
        let here = pinned.iter().filter(|link| link.namespace == namespace);
        Ok(here
            .filter_map(|link| Some((link.interface, link.direction?)))
            .collect())
    }

    /// Unpins all links of a namespace.
    pub(super) fn remove_links_of(&self, namespace: u64) -> Result<(), PinsError> {
        self.remove_links_if(|link| link.namespace == namespace)
    }

    fn remove_links_if(&self, is_meant: impl Fn(&PinnedFor) -> bool) -> Result<(), PinsError> {
        let pinned = self.pinned_links()?;
        let mut meant = pinned.iter().filter(|link| is_meant(link));
        meant.try_for_each(|link| unpin_link(&link.path))
    }

    fn pinned_links(&self) -> Result<Vec<PinnedFor>, PinsError> {
        let paths = match directory(&self.links()) {
            Err(PinsError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Vec::new()
            }
            listed => listed?,
        };
        Ok(paths.into_iter().filter_map(PinnedFor::parse).collect())
    }

    fn links(&self) -> PathBuf {
        self.root.join(LINKS)
    }

    fn version(&self) -> PathBuf {
        self.root.join(version_name())
    }

    /// Makes the directories, on a bpffs that is mounted if there is none.
    pub(super) fn prepare(&self) -> Result<(), PinsError> {
        if let Some(mount_point) = missing_mount(&self.root, is_bpffs) {
            create_directory(&mount_point)?;
            let _lock = lock(&mount_point)?;
            if is_bpffs(&mount_point) {
                return self.create_directories();
            }
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(
                Some("bpf"),
                &mount_point,
                Some("bpf"),
                flags,
                Some("mode=0700"),
            )
            .map_err(|errno| PinsError::Mount {
                path: mount_point,
                source: errno.into(),
            })?;
        }
        self.create_directories()
    }

    fn create_directories(&self) -> Result<(), PinsError> {
        create_directory(&self.version().join("progs"))?;
        create_directory(&self.version().join("maps"))?;
        create_directory(&self.links())
    }

    /// Pins under an unfinished name and renames, so that the name is never
    /// without an object.
    pub(super) fn replace(
        &self,
        path: &Path,
        pin: impl FnOnce(&Path) -> Result<(), PinError>,
    ) -> Result<(), PinsError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        remove_file(&unfinished)?;
        pin(&unfinished).map_err(|source| PinsError::Pin {
            path: unfinished.clone(),
            source,
        })?;
        fs::rename(&unfinished, path).map_err(failed("rename", &unfinished))
    }

    /// Removes what another version of the daemon has pinned.
    pub(super) fn remove_other_versions(&self) -> Result<(), PinsError> {
        for entry in directory(&self.root)? {
            if version_of(&entry).is_some_and(|version| version != ABI_VERSION) {
                remove_directory(&entry)?;
            }
        }
        Ok(())
    }

    /// Unpins a link, which detaches it; none there is no error.
    pub(super) fn remove_link(
        &self,
        namespace: u64,
        ifindex: u32,
        direction: Direction,
    ) -> Result<(), PinsError> {
        unpin_link(&self.link(namespace, ifindex, direction))
    }

    /// Unpins the links of every namespace but these.
    pub(super) fn prune_links(&self, live: &HashSet<u64>) -> Result<(), PinsError> {
        self.remove_links_if(|link| !live.contains(&link.namespace))
    }

    /// Removes the whole tree, and its mount if that is at the tree's root.
    pub(super) fn remove_all(&self) -> Result<(), PinsError> {
        if !self.root.exists() {
            return Ok(());
        }
        if is_bpffs(&self.root) {
            for entry in directory(&self.root)?.iter().filter(|entry| is_ours(entry)) {
                remove_directory(entry)?;
            }
            let is_mount_point = self.root.parent().is_some_and(|parent| !is_bpffs(parent));
            if is_mount_point && self.root != Path::new(SYSTEM_BPFFS) {
                umount(&self.root).map_err(|errno| failed("unmount", &self.root)(errno.into()))?;
            }
        }
        if self.root == Path::new(SYSTEM_BPFFS) {
            return Ok(());
        }
        fs::remove_dir(&self.root).map_err(failed("remove", &self.root))
    }
}

/// What the name of a link says.
struct PinnedFor {
    path: PathBuf,
    namespace: u64,
    interface: u32,
    /// Nothing while it has its unfinished name.
    direction: Option<Direction>,
}

impl PinnedFor {
    fn parse(path: PathBuf) -> Option<Self> {
        let mut parts = path.file_name()?.to_str()?.splitn(3, '-');
        let namespace = parts.next()?.parse().ok()?;
        let interface = parts.next()?.parse().ok()?;
        let name = parts.next()?;
        let direction = Direction::BOTH
            .into_iter()
            .find(|&direction| side(direction) == name);
        Some(Self {
            path,
            namespace,
            interface,
            direction,
        })
    }
}

const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// The ABI version that a directory holds the pins of.
fn version_of(directory: &Path) -> Option<u32> {
    directory
        .file_name()?
        .to_str()?
        .strip_prefix('v')?
        .parse()
        .ok()
}

/// Whether we make directories of this name. The root of a bpffs holds two
/// files of the kernel's as well.
fn is_ours(entry: &Path) -> bool {
    version_of(entry).is_some() || entry.ends_with(LINKS) || entry.ends_with(SHIMS)
}

fn version_name() -> String {
    format!("v{ABI_VERSION}")
}

/// Where a bpffs has to be mounted before `root` can hold pins: the system's
/// own place for anything below it, else `root` itself.
fn missing_mount(root: &Path, is_bpffs: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let existing = root.ancestors().find(|ancestor| ancestor.exists());
    if existing.is_some_and(is_bpffs) {
        return None;
    }
    let system = Path::new(SYSTEM_BPFFS);
    Some(
        if root.starts_with(system) {
            system
        } else {
            root
        }
        .to_owned(),
    )
}

/// The kernel detaches a link later, in a work queue, when its last pin goes,
/// but at once when its last file descriptor is closed: so that comes last.
fn unpin_link(path: &Path) -> Result<(), PinsError> {
    let held = PinnedLink::from_pin(path);
    let removed = remove_file(path);
    drop(held);
    removed
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|filesystem| filesystem.filesystem_type() == BPF_FS_MAGIC)
}

/// Two daemons that start at once would mount one bpffs over the other; the
/// lock is on the directory that both would cover.
fn lock(mount_point: &Path) -> Result<Flock<File>, PinsError> {
    let directory = File::open(mount_point).map_err(failed("open", mount_point))?;
    Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed("lock", mount_point)(errno.into()))
}

fn create_directory(path: &Path) -> Result<(), PinsError> {
    fs::create_dir_all(path).map_err(failed("create", path))
}

fn directory(path: &Path) -> Result<Vec<PathBuf>, PinsError> {
    fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed("list", path))
}

fn remove_directory(path: &Path) -> Result<(), PinsError> {
    fs::remove_dir_all(path).map_err(failed("remove", path))
}

fn remove_file(path: &Path) -> Result<(), PinsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", path)),
    }
}

fn failed(action: &'static str, path: &path::Path) -> impl FnOnce(io::Error) -> PinsError {
    let path = path.to_owned();
    move |source| PinsError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_systems_bpffs_needs_that_one() {
        let root = Path::new("/sys/fs/bpf/metadatad");
        assert_eq!(
            missing_mount(root, |_| false),
            Some(PathBuf::from(SYSTEM_BPFFS))
        );
        assert_eq!(missing_mount(root, |_| true), None);
    }

    #[test]
    fn any_other_path_gets_a_bpffs_of_its_own() {
        let root = Path::new("/run/metadatad-test/bpf");
        assert_eq!(missing_mount(root, |_| false), Some(root.to_owned()));
    }
}
