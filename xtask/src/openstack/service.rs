//! A program that stays in the background without any service manager.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;

use super::place::Place;
use super::record::Record;
use super::services::rabbitmq;
use super::stopping;
use crate::lab::wait;

/// On two busy processors Python programs take their time.
const READY_LIMIT: Duration = Duration::from_secs(180);
const LOG_LINES: usize = 20;

/// Every process of the cloud, whoever started it, has this in its environment
/// with the cloud's directory.
pub(super) const MARK: &str = "METADATAD_OPENSTACK";

/// How to see that a service can be used.
#[derive(Debug)]
pub(super) enum Ready {
    Port(u16),
    Socket(PathBuf),
    /// Somebody takes messages from this queue.
    Queue(&'static str),
    /// Nobody can see it; whoever uses it waits.
    Running,
}

/// A service as it should run.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Program and arguments.
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    /// Configuration that it reads when it starts.
    pub(super) files: Vec<PathBuf>,
    pub(super) ready: Ready,
}

impl Service {
    /// Starts the service, unless it runs already just as it should.
    pub(super) fn ensure(&self, place: &Place) -> Result<()> {
        let fingerprint = self.fingerprint()?;
        if let Some(record) = Record::load(place, self.name)
            && record.is_alive()
        {
            if record.fingerprint == fingerprint {
                return Ok(());
            }
            eprintln!(
                "      {} has another configuration now: restarting it",
                self.name
            );
            stopping::stop(place, self.name, &record)?;
        }
        eprintln!("      starting {}", self.name);
        let mut child = self.spawn(place)?;
        Record::of(child.id(), fingerprint)?.save(place, self.name)?;
        self.wait_ready(place, &mut child)
    }

    fn fingerprint(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        (&self.command, &self.environment).hash(&mut hasher);
        for file in &self.files {
            fs::read(file)
                .with_context(|| format!("cannot read {}", file.display()))?
                .hash(&mut hasher);
        }
        Ok(hasher.finish())
    }

    fn spawn(&self, place: &Place) -> Result<Child> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(place))?;
        let (program, arguments) = self.command.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(place.root());
        command.env("PATH", path(place)).env(MARK, place.root());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        // SAFETY: two system calls, and nothing else happens between fork and exec.
        unsafe { command.pre_exec(be_alone) };
        command
            .spawn()
            .with_context(|| format!("cannot start {program}"))
    }

    fn wait_ready(&self, place: &Place, child: &mut Child) -> Result<()> {
        let what = format!("{} is ready", self.name);
        let outcome = wait::until(&what, READY_LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            Ok(self.is_ready(place))
        });
        outcome.with_context(|| {
            let log = self.log(place);
            format!("{}:\n{}\n", log.display(), last_lines(&log))
        })
    }

    fn is_ready(&self, place: &Place) -> bool {
        match &self.ready {
            Ready::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok(),
            Ready::Socket(path) => UnixStream::connect(path).is_ok(),
            Ready::Queue(name) => rabbitmq::has_consumer(place, name),
            Ready::Running => true,
        }
    }

    fn log(&self, place: &Place) -> PathBuf {
        place.path(&format!("log/{}.log", self.name))
    }
}

/// Agents start programs by name: what a test links comes first, then those of the
/// Python environment.
pub(super) fn path(place: &Place) -> String {
    format!(
        "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        place.text("bin"),
        place.text("venv/bin")
    )
}

fn last_lines(log: &PathBuf) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(LOG_LINES);
    lines.get(start..).unwrap_or_default().join("\n")
}

/// It outlives our terminal, and whoever started us with descriptors open, such as that of a
/// lock, must not find them held for as long as it lives.
fn be_alone() -> io::Result<()> {
    setsid()?;
    // SAFETY: nothing is closed before the program is executed.
    let marked = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(marked).map(drop)?;
    Ok(())
}
