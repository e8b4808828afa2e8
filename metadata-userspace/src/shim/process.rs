//! A shim's life: from `haproxy -f FILE` to the waiter, and from the waiter back.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::libc;

use super::background::{self, Herald, Outcome};
use super::command_line::{Asked, Ground, UsageError};
use super::connection::{self, RegistrationError};
use super::order::{self, ProxyOrder};
use super::protocol::Registration;
use super::report::{Severity, to_log};
use super::waiting::{self, Shim};
use crate::config::ShimConfig;

/// A daemon that refused is asked again this much later.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Faulty(String),
    #[error("cannot go to the background: {0}")]
    Background(io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("shim_fallback: cannot run {path}: {source}")]
    Fallback { path: PathBuf, source: io::Error },
    #[error("cannot tell where this program is: {0}")]
    Executable(io::Error),
}

/// Why there is no connection on which the namespace is registered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDaemon {
    #[error("metadatad does not answer at {path}: {source}")]
    Connect { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// Does what haproxy with these arguments would. Returns in the process that the
/// agent waits for.
pub fn run(arguments: &[OsString]) -> ExitCode {
    if let Some(shim) = Shim::left_by_the_waiter() {
        resume(&shim);
    }
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Nobody may listen, and that is no reason to fail.
    let _ = writeln!(io::stderr(), "haproxy (metadatad): {text}");
}

fn start(arguments: &[OsString]) -> Result<(), StartError> {
    let proxy = match Asked::parse(arguments)? {
        Asked::Version => {
            println!("metadatad {} in haproxy's place", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        Asked::Proxy(proxy) => proxy,
    };
    let (settings, problems) = ShimConfig::of_host();
    problems.iter().for_each(|problem| say(problem));
    let order = match read_order(&proxy.config) {
        Ok(order) => order,
        // It may be right, and another's than Neutron's.
        Err(StartError::Faulty(faults)) if settings.fallback.is_some() && !proxy.check => {
            return Err(fall_back(&settings, arguments, &faults));
        }
        Err(error) => return Err(error),
    };
    if proxy.check {
        println!("Configuration file is valid");
        return Ok(());
    }
    let in_background = match proxy.ground {
        Ground::Configured => order.daemon,
        Ground::Back => true,
        Ground::Fore => false,
    };
    let shim = Shim {
        registration: Registration::of(&order),
        log: order.log.clone(),
        socket: settings.socket.clone(),
        executable: executable().map_err(StartError::Executable)?,
    };
    let pidfile = proxy.pidfile.or(order.pidfile);
    let is_last_resort = settings.fallback.is_none();
    let live = |herald: Herald| live(&shim, pidfile.as_deref(), is_last_resort, herald);
    background::close_inherited_files();
    let outcome = match in_background {
        true => background::fork(live).map_err(StartError::Background)?,
        false => live(Herald::of_this_process()),
    };
    match outcome {
        Outcome::Ready(note) => {
            note.iter().for_each(|note| say(note));
            Ok(())
        }
        Outcome::NoDaemon(reason) => Err(fall_back(&settings, arguments, &reason)),
        Outcome::Failed(reason) => Err(StartError::Failed(reason)),
    }
}

fn read_order(path: &Path) -> Result<ProxyOrder, StartError> {
    let failed = |source| StartError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let longest = u64::try_from(order::LONGEST).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(longest + 1).read_to_string(&mut text))
        .map_err(failed)?;
    ProxyOrder::parse(&text).map_err(|faults| {
        let faults = faults
            .iter()
            .map(|fault| format!("{}:{fault}", path.display()));
        StartError::Faulty(faults.collect::<Vec<_>>().join("\n"))
    })
}

/// The path also after the file behind it was replaced by a newer version.
fn executable() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map(PathBuf::from).unwrap_or(path))
}

/// Runs the haproxy that the configuration names; returns when that fails.
fn fall_back(settings: &ShimConfig, arguments: &[OsString], reason: &str) -> StartError {
    let path = settings.fallback.clone().unwrap_or_default();
    let itself = || Some(path.canonicalize().ok()? == std::env::current_exe().ok()?);
    let source = if itself() == Some(true) {
        io::Error::other("it is this program")
    } else {
        say(&format!("{reason}; running {} instead", path.display()));
        Command::new(&path).arg0("haproxy").args(arguments).exec()
    };
    StartError::Fallback { path, source }
}

/// What the process does that stays. Returns when it is not to stay.
fn live(shim: &Shim, pidfile: Option<&Path>, is_last_resort: bool, herald: Herald) -> Outcome {
    if let Some(path) = pidfile
        && let Err(error) = write_pid(path)
    {
        return Outcome::Failed(format!("cannot write {}: {error}", path.display()));
    }
    let (connection, pause, note) = match register(shim) {
        Ok((connection, problem)) => (Some(connection), Duration::ZERO, problem),
        Err(error) if !is_last_resort => return Outcome::NoDaemon(error.to_string()),
        Err(error) => (
            None,
            pause_after(&error),
            Some(format!("{error}; guests wait until it does")),
        ),
    };
    match &note {
        Some(problem) => to_log(&shim.log, Severity::Warning, problem),
        None => to_log(&shim.log, Severity::Info, "registered with metadatad"),
    }
    let hindered = background::drop_capabilities();
    if let Err(error) = hindered {
        to_log(
            &shim.log,
            Severity::Warning,
            &format!("keeps privileges: {error}"),
        );
    }
    let starter = herald.tell(&Outcome::Ready(note));
    waiting::wait(shim, connection, starter, pause)
}

/// What became of the waiter goes on from where it was: the process has its number,
/// its namespace and its arguments still, and no privilege any more.
fn resume(shim: &Shim) -> ! {
    let (connection, pause) = match register(shim) {
        Ok((connection, problem)) => {
            if let Some(problem) = problem {
                to_log(&shim.log, Severity::Warning, &problem);
            }
            (Some(connection), Duration::ZERO)
        }
        Err(error) => {
            to_log(&shim.log, Severity::Warning, &error.to_string());
            (None, pause_after(&error))
        }
    };
    waiting::wait(shim, connection, None, pause)
}

pub(super) fn pause_after(error: &NoDaemon) -> Duration {
    match error {
        NoDaemon::Registration(RegistrationError::Refused(_)) => AFTER_REFUSAL,
        _ => Duration::ZERO,
    }
}

/// The connection, and why the namespace is not served yet.
pub(super) type Registered = Result<(OwnedFd, Option<String>), NoDaemon>;

pub(super) fn register(shim: &Shim) -> Registered {
    let connection = connection::open(&shim.socket).map_err(|source| NoDaemon::Connect {
        path: shim.socket.clone(),
        source,
    })?;
    let problem = connection::register(&connection, &shim.registration)?;
    let problem = problem.map(|problem| format!("registered, but not served yet: {problem}"));
    Ok((connection, problem))
}

/// As haproxy does, but not through a link: the directory is Neutron's.
fn write_pid(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    writeln!(file, "{}", std::process::id())
}
