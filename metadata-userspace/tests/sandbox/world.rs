//! What there is to reach for, made before an attempt.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use metadatad::config::{Config, ConfigSource, ConfigSources};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::attempts::Attempt;
use crate::outcome::Ended;

/// The first argument of an attempt's process.
pub(crate) const ATTEMPT: &str = "attempt";
/// Arguments that say where it is made.
const INSIDE: &str = "inside";
const WITHOUT_LANDLOCK: &str = "inside-without-landlock";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Inside,
    /// On a kernel that does not know Landlock.
    InsideWithoutLandlock,
    Outside,
}

/// What the sandbox's configuration asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// It serves TCP.
    Plain,
    /// It keeps guests' passwords.
    WithPasswords,
    /// It asks another agent at a unix socket.
    WithUnixUpstream,
}

/// As an attempt sees it.
pub(crate) struct World {
    pub(crate) config: Config,
    /// Has the directory of passwords, `named` (a unix socket) and `other` (a file).
    pub(crate) directory: PathBuf,
    /// The address that the configuration has for Nova.
    pub(crate) nova: SocketAddr,
    /// A server that the configuration does not know.
    pub(crate) stranger: SocketAddr,
    pub(crate) abstract_socket: String,
    pub(crate) parent: i32,
    pub(crate) namespace: File,
    /// Open already, as a worker gets it.
    pub(crate) listener: TcpListener,
}

impl World {
    /// From the arguments that [`run`] made.
    pub(crate) fn of_arguments(arguments: &[String]) -> Result<(String, Place, Self)> {
        let [_, name, place, directory, nova, stranger, abstract_socket] = arguments else {
            bail!("not the arguments of an attempt: {arguments:?}");
        };
        let directory = PathBuf::from(directory);
        let sources = ConfigSources {
            from: vec![ConfigSource::File(directory.join("conf"))],
            inventory: None,
        };
        let world = Self {
            config: Config::load(&sources)?,
            directory,
            nova: nova.parse()?,
            stranger: stranger.parse()?,
            abstract_socket: abstract_socket.clone(),
            parent: nix::unistd::getppid().as_raw(),
            namespace: File::open("/proc/self/ns/net")?,
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
        };
        let place = match place.as_str() {
            INSIDE => Place::Inside,
            WITHOUT_LANDLOCK => Place::InsideWithoutLandlock,
            _ => Place::Outside,
        };
        Ok((name.clone(), place, world))
    }

    pub(crate) fn passwords(&self) -> PathBuf {
        self.directory.join("passwords")
    }
}

/// Makes an attempt in a process of its own.
pub(crate) fn run(attempt: &Attempt, place: Place) -> Result<Ended> {
    let directory = tempfile::tempdir()?;
    let nova = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let abstract_socket = format!("metadatad-{}", directory.path().display());
    let name = UnixAddr::from_abstract_name(&abstract_socket)?;
    let _abstract = UnixListener::bind_addr(&name)?;
    let _named = UnixListener::bind(directory.path().join("named"))?;
    fs::write(directory.path().join("other"), "")?;
    fs::create_dir(directory.path().join("passwords"))?;
    let text = config(attempt.worker, directory.path(), nova.local_addr()?.port());
    fs::write(directory.path().join("conf"), text)?;
    let output = Command::new("/proc/self/exe")
        .args([ATTEMPT, attempt.name])
        .arg(match place {
            Place::Inside => INSIDE,
            Place::InsideWithoutLandlock => WITHOUT_LANDLOCK,
            Place::Outside => "outside",
        })
        .arg(directory.path())
        .arg(nova.local_addr()?.to_string())
        .arg(stranger.local_addr()?.to_string())
        .arg(abstract_socket)
        .output()
        .context("cannot start the attempt's process")?;
    Ended::heard(&output)
}

fn config(worker: Worker, directory: &Path, nova_port: u16) -> String {
    let here = directory.display();
    let ours = match worker {
        Worker::Plain => String::new(),
        Worker::WithPasswords => {
            format!("embedded_api = true\npassword_dir = {here}/passwords\n")
        }
        Worker::WithUnixUpstream => format!("proxy_upstream = unix:{here}/named\n"),
    };
    format!(
        "[DEFAULT]\nnova_metadata_host = 127.0.0.1\nnova_metadata_port = {nova_port}\n\
         [metadatad]\nresolver = inventory\ninventory = {here}/inventory.toml\n{ours}"
    )
}

/// The kernel is as one without Landlock from here on.
pub(crate) fn forget_landlock() -> Result<()> {
    let calls = [(libc::SYS_landlock_create_ruleset, Vec::new())];
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(calls.into(), SeccompAction::Allow, absent, arch)?;
    Ok(apply_filter(&BpfProgram::try_from(filter)?)?)
}

/// What is mounted from here on is this process's alone.
pub(crate) fn leave_mounts_alone() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    Ok(mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
}
