//! Who has a say in what is at a path.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{Gid, Uid, User};

use super::{Identity, as_user};

/// Links that are followed on one way, as by the kernel (path_resolution(7)).
const LINKS: u32 = 40;

/// The way to a file, from the root of the file system.
#[derive(Debug)]
pub struct Way {
    whose: Whose,
    /// Where nobody else has a say, what was seen and not what is there by then.
    end: PathBuf,
    /// What `end` begins at.
    _here: Option<File>,
}

/// With whose rights something is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// With our own.
    Ours,
    /// With those of the first on the way who is not us.
    Theirs(Owner),
}

/// Whose a file, directory or link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: Uid,
    pub gid: Gid,
    of: PathBuf,
}

impl Way {
    /// Looks at each directory and link on the way to `path`, and at what is there. Who is not
    /// root can act as nobody else, and does not look.
    ///
    /// # Errors
    /// When something on the way cannot be looked at. That the end of it is missing is none.
    pub fn to(path: &Path) -> io::Result<Self> {
        let us = Identity::now().uid;
        if !us.is_root() {
            return Ok(Self::with(Whose::Ours, path));
        }
        Walk::begin(us, path)?.finish(path)
    }

    /// The same for a file that another names: whoever has a say in that one may not reach
    /// more than their own.
    ///
    /// # Errors
    /// As [`Way::to`].
    pub fn named_by(namer: &Whose, path: &Path) -> io::Result<Self> {
        match namer {
            Whose::Ours => Self::to(path),
            Whose::Theirs(_) => Ok(Self::with(namer.clone(), path)),
        }
    }

    fn with(whose: Whose, end: &Path) -> Self {
        Self {
            whose,
            end: end.to_owned(),
            _here: None,
        }
    }

    pub fn whose(&self) -> &Whose {
        &self.whose
    }

    /// As whom [`Way::act`] acts.
    pub fn uid(&self) -> Uid {
        match &self.whose {
            Whose::Ours => Identity::now().uid,
            Whose::Theirs(owner) => owner.uid,
        }
    }

    /// Runs `act` with these rights and the path by which to reach the end of the way.
    ///
    /// # Errors
    /// Those of `act`, saying whose rights did not suffice.
    pub fn act<T>(&self, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        match &self.whose {
            Whose::Ours => act(&self.end),
            Whose::Theirs(owner) => owner.act(owner.gid, || act(&self.end)),
        }
    }

    /// The same as one of the group `gid`, to which what is made belongs then.
    ///
    /// # Errors
    /// As [`Way::act`].
    pub fn act_in_group<T>(
        &self,
        gid: Gid,
        act: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.whose {
            Whose::Ours => as_user(self.uid(), gid, || act(&self.end)),
            Whose::Theirs(owner) => owner.act(gid, || act(&self.end)),
        }
    }
}

impl Owner {
    /// The group is the user's own: that of a file is not always one that its owner is in.
    fn of(found: &File, metadata: &fs::Metadata) -> Self {
        let uid = Uid::from_raw(metadata.uid());
        let user = User::from_uid(uid).ok().flatten();
        Self {
            uid,
            gid: user.map_or(Gid::from_raw(metadata.gid()), |user| user.gid),
            of: fs::read_link(by_number(found)).unwrap_or_default(),
        }
    }

    fn act<T>(&self, gid: Gid, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        as_user(self.uid, gid, act).map_err(|error| match error.kind() {
            kind @ io::ErrorKind::PermissionDenied => io::Error::new(kind, self.denied(&error)),
            _ => error,
        })
    }

    fn denied(&self, error: &io::Error) -> String {
        format!("{error}, with the rights of {self}")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, to whom {} belongs", self.uid, self.of.display())
    }
}

/// A walk that has met nobody but us.
struct Walk {
    us: Uid,
    here: File,
    ahead: VecDeque<OsString>,
    links: u32,
}

/// What a step led to.
enum Step {
    Done,
    Missing(OsString),
    Somebody(Owner),
}

impl Walk {
    fn begin(us: Uid, path: &Path) -> io::Result<Self> {
        let mut walk = Self {
            us,
            here: root()?,
            ahead: VecDeque::new(),
            links: 0,
        };
        walk.turn_to(&std::path::absolute(path)?)?;
        Ok(walk)
    }

    fn finish(mut self, path: &Path) -> io::Result<Way> {
        if let Some(owner) = self.somebody_else(&self.here)? {
            return Ok(Way::with(Whose::Theirs(owner), path));
        }
        while let Some(name) = self.ahead.pop_front() {
            match self.step(name)? {
                Step::Done => {}
                Step::Somebody(owner) => return Ok(Way::with(Whose::Theirs(owner), path)),
                Step::Missing(name) => {
                    self.ahead.push_front(name);
                    break;
                }
            }
        }
        let mut end = by_number(&self.here);
        end.extend(self.ahead);
        Ok(Way {
            whose: Whose::Ours,
            end,
            _here: Some(self.here),
        })
    }

    fn step(&mut self, name: OsString) -> io::Result<Step> {
        let mut found = match self.look_at(&name) {
            Err(Errno::ENOENT) => return Ok(Step::Missing(name)),
            found => found?,
        };
        if let Some(owner) = self.somebody_else(&found)? {
            return Ok(Step::Somebody(owner));
        }
        if found.metadata()?.is_symlink() {
            self.links = self.links.saturating_add(1);
            if self.links > LINKS {
                return Err(Errno::ELOOP.into());
            }
            if fstatfs(&found)?.filesystem_type() != PROC_SUPER_MAGIC {
                self.turn_to(Path::new(&readlinkat(&found, "")?))?;
                return Ok(Step::Done);
            }
            // As that of /dev/stdin, which is no path.
            found = self.open(&name, OFlag::empty())?;
            if let Some(owner) = self.somebody_else(&found)? {
                return Ok(Step::Somebody(owner));
            }
        }
        self.here = found;
        Ok(Step::Done)
    }

    /// At a directory as one: only then does going there mount what is mounted by going there
    /// (`follow_automount` in the kernel's fs/namei.c).
    fn look_at(&self, name: &OsStr) -> nix::Result<File> {
        let directory = OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY;
        match self.open(name, directory) {
            Err(Errno::ENOTDIR) => self.open(name, OFlag::O_NOFOLLOW),
            found => found,
        }
    }

    fn open(&self, name: &OsStr, flags: OFlag) -> nix::Result<File> {
        let flags = flags | OFlag::O_PATH | OFlag::O_CLOEXEC;
        openat(&self.here, name, flags, Mode::empty()).map(File::from)
    }

    fn somebody_else(&self, found: &File) -> io::Result<Option<Owner>> {
        let metadata = found.metadata()?;
        let is_ours = metadata.uid() == self.us.as_raw();
        Ok((!is_ours).then(|| Owner::of(found, &metadata)))
    }

    /// Goes by `path` before what was ahead.
    fn turn_to(&mut self, path: &Path) -> io::Result<()> {
        if path.is_absolute() {
            self.here = root()?;
        }
        for part in path.components().rev() {
            match part {
                Component::Normal(_) | Component::ParentDir => {
                    self.ahead.push_front(part.as_os_str().to_owned());
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(())
    }
}

fn root() -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    Ok(openat(AT_FDCWD, "/", flags, Mode::empty())?.into())
}

fn by_number(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
