use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use caps::{CapSet, Capability};
use tempfile::TempDir;

use super::*;

const STRANGER: u32 = 54_321;
const THIRD: u32 = 54_322;

/// What root may, without what lets it act on any file.
fn give_up_overriding() {
    for capability in [
        Capability::CAP_DAC_OVERRIDE,
        Capability::CAP_DAC_READ_SEARCH,
    ] {
        // Those of root come back with root's rights, as far as they are permitted.
        for set in [CapSet::Effective, CapSet::Permitted] {
            caps::drop(None, set, capability).unwrap();
        }
    }
}

/// Files of root's, a stranger's and a third user's, each for its owner alone, and a directory
/// of the stranger's that everybody may look into.
struct Files {
    outer: TempDir,
}

impl Files {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
        let files = Self { outer };
        fs::create_dir(files.at("theirs")).unwrap();
        for (name, owner) in [
            ("ours", 0),
            ("of a third", THIRD),
            ("theirs/theirs", STRANGER),
            ("theirs/ours", 0),
        ] {
            files.write(name, owner);
        }
        chown(files.at("theirs"), Some(STRANGER), Some(STRANGER)).unwrap();
        files
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.outer.path().join(name)
    }

    fn write(&self, name: &str, owner: u32) {
        let path = self.at(name);
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
    }

    fn link(&self, name: &str, target: &str, owner: u32) {
        symlink(self.at(target), self.at(name)).unwrap();
        std::os::unix::fs::lchown(self.at(name), Some(owner), Some(owner)).unwrap();
    }

    fn read(&self, name: &str) -> io::Result<String> {
        act_on(&self.at(name), |path| fs::read_to_string(path))
    }

    fn assert_denied(&self, name: &str) {
        let error = self.read(name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{name}");
        let whose = format!("with the rights of uid {STRANGER}, to whom ");
        assert!(error.to_string().contains(&whose), "{name}: {error}");
    }
}

#[test]
fn each_file_is_read_with_the_rights_of_its_owner() {
    let files = Files::new();
    give_up_overriding();
    assert!(fs::read_to_string(files.at("theirs/theirs")).is_err());
    for name in ["ours", "of a third", "theirs/theirs"] {
        assert_eq!(files.read(name).unwrap(), name);
    }
}

#[test]
fn what_is_roots_or_a_third_users_is_not_read_by_way_of_a_stranger() {
    let files = Files::new();
    files.link("theirs/to ours", "ours", STRANGER);
    files.link("theirs/to a third's", "of a third", STRANGER);
    files.link("theirs/up", "", STRANGER);
    // Root's own links there are led to by the stranger's directory all the same.
    files.link("theirs/root's link", "ours", 0);
    for overriding in [true, false] {
        if !overriding {
            give_up_overriding();
        }
        files.assert_denied("theirs/to ours");
        files.assert_denied("theirs/to a third's");
        files.assert_denied("theirs/up/ours");
        files.assert_denied("theirs/root's link");
        files.assert_denied("theirs/ours");
        files.assert_denied("theirs/../ours");
    }
}

#[test]
fn roots_links_lead_where_they_lead() {
    let files = Files::new();
    files.link("chain", "link", 0);
    files.link("link", "ours", 0);
    files.link("directory", "theirs", 0);
    symlink("theirs/../ours", files.at("back")).unwrap();
    files.link("strange", "ours", STRANGER);
    files.link("loop", "loop", 0);
    assert_eq!(files.read("chain").unwrap(), "ours");
    assert_eq!(files.read("directory/theirs").unwrap(), "theirs/theirs");
    files.assert_denied("directory/ours");
    files.assert_denied("back");
    files.assert_denied("strange");
    let error = files.read("loop").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::ELOOP));
}

#[test]
fn what_is_seen_is_what_is_read() {
    let files = Files::new();
    files.write("another", 0);
    let way = Way::to(&files.at("ours")).unwrap();
    fs::rename(files.at("another"), files.at("ours")).unwrap();
    let read = way.act(|path| fs::read_to_string(path));
    assert_eq!(read.unwrap(), "ours");
}

#[test]
fn a_file_that_another_names_is_read_with_the_rights_of_whose_that_one_is() {
    let files = Files::new();
    let read = |namer: &str, name: &str| {
        let way = Way::to(&files.at(namer)).unwrap();
        let named = Way::named_by(way.whose(), &files.at(name)).unwrap();
        named.act(|path| fs::read_to_string(path))
    };
    assert_eq!(read("ours", "ours").unwrap(), "ours");
    assert_eq!(read("ours", "of a third").unwrap(), "of a third");
    assert_eq!(
        read("theirs/theirs", "theirs/theirs").unwrap(),
        "theirs/theirs"
    );
    assert!(read("theirs/theirs", "ours").is_err());
    assert!(read("theirs/theirs", "of a third").is_err());
}

#[test]
fn what_is_missing_can_be_made_and_asked_for() {
    let files = Files::new();
    let make = |name: &str| act_on(&files.at(name), |path| fs::create_dir_all(path));
    let owner = |name: &str| fs::metadata(files.at(name)).unwrap().uid();
    make("new/newer").unwrap();
    make("theirs/new/newer").unwrap();
    assert_eq!((owner("new"), owner("new/newer")), (0, 0));
    assert_eq!(owner("theirs/new/newer"), STRANGER);
    let missing = |name: &str| files.read(name).unwrap_err().kind();
    assert_eq!(missing("none"), io::ErrorKind::NotFound);
    assert_eq!(missing("none/none"), io::ErrorKind::NotFound);
    assert_eq!(missing("theirs/none"), io::ErrorKind::NotFound);
    assert_eq!(missing("ours/none"), io::ErrorKind::NotADirectory);
}

#[test]
fn an_entry_is_the_directorys_owners_to_look_at_and_to_remove() {
    let files = Files::new();
    files.link("theirs/to ours", "ours", STRANGER);
    let entry = files.at("theirs/to ours");
    let seen = act_on_entry(&entry, |path| fs::symlink_metadata(path)).unwrap();
    assert!(seen.is_symlink());
    act_on_entry(&entry, |path| fs::remove_file(path)).unwrap();
    assert!(files.at("ours").exists());
    // A directory of root's, in which the file is another's.
    act_on_entry(&files.at("of a third"), |path| fs::remove_file(path)).unwrap();
}

#[test]
fn a_file_without_a_path_is_read_by_its_number() {
    use std::io::{Seek, Write};
    use std::os::fd::AsRawFd;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"text").unwrap();
    file.rewind().unwrap();
    let path = format!("/dev/fd/{}", file.as_raw_fd());
    let read = act_on(Path::new(&path), |path| fs::read_to_string(path));
    assert_eq!(read.unwrap(), "text");
}

#[test]
fn what_is_made_as_somebody_is_theirs_and_the_thread_is_itself_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    chown(directory.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let path = directory.path().join("file");
    let (uid, gid) = (Uid::from_raw(STRANGER), Gid::from_raw(STRANGER));
    let before = Identity::now();
    as_user(uid, gid, || fs::write(&path, "")).unwrap();
    assert_eq!(Identity::now(), before);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (STRANGER, STRANGER));
}
