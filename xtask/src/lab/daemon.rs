//! A metadatad of our own: configured in a temporary directory, beside any
//! other on the machine, and removed with every trace.

mod log;
mod metric;
mod setup;
mod unit;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub use setup::{Setup, Surroundings};

use super::{bpffs, wait};
use crate::process;

const READY_LIMIT: Duration = Duration::from_secs(60);
/// A worker has 12 s for what is under way.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running metadatad.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    setup: Setup,
    directory: TempDir,
}

impl Daemon {
    /// Starts a daemon and waits until it answers on its admin socket.
    ///
    /// # Errors
    /// When it ends or does not answer; its log goes to standard error.
    pub fn start(setup: Setup) -> Result<Self> {
        let mut daemon = Self::launch(setup)?;
        if let Err(error) = daemon.wait_ready() {
            daemon.print_log();
            return Err(error);
        }
        Ok(daemon)
    }

    /// Starts a daemon and leaves it to itself.
    ///
    /// # Errors
    /// When it cannot be configured or executed.
    pub fn launch(setup: Setup) -> Result<Self> {
        bpffs::ensure_mounted()?;
        let directory = tempfile::Builder::new()
            .prefix("metadatad-")
            .tempdir_in(&setup.parent)?;
        // The worker is nobody, and it has a state directory in here.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        fs::write(directory.path().join("inventory.toml"), &setup.inventory)?;
        let config = directory.path().join("metadatad.conf");
        fs::write(&config, setup.config(directory.path())?)?;
        let child = spawn(&setup, &config, directory.path())?;
        Ok(Self {
            child,
            setup,
            directory,
        })
    }

    /// Starts a daemon and waits until it serves all of these namespaces.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn serving(setup: Setup, namespaces: &[&str]) -> Result<Self> {
        let mut daemon = Self::start(setup)?;
        for namespace in namespaces {
            daemon.wait_serving(namespace)?;
        }
        Ok(daemon)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.setup.binary
    }

    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path("metadatad.conf")
    }

    #[must_use]
    pub fn inventory_file(&self) -> PathBuf {
        self.path("inventory.toml")
    }

    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.path("metadata_proxy")
    }

    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.run("admin.sock")
    }

    #[must_use]
    pub fn shim_socket(&self) -> PathBuf {
        self.run("shim.sock")
    }

    #[must_use]
    pub fn bpffs(&self) -> &Path {
        &self.setup.bpffs
    }

    fn run(&self, name: &str) -> PathBuf {
        let directory = self.setup.run.as_deref();
        directory.unwrap_or(self.directory.path()).join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command of the same binary for the same configuration.
    #[must_use]
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.setup.binary);
        command.args([subcommand, "--config-file"]);
        command.arg(self.config_file());
        command
    }

    /// What `metadatad status --json` says.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn status(&self) -> Result<Value> {
        let text = process::read(self.command("status").arg("--json"))?;
        serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
    }

    /// The process that serves requests.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn worker_pid(&self) -> Result<u32> {
        let status = self.status()?;
        let pid = status.pointer("/worker/pid").and_then(Value::as_u64);
        let pid = pid.with_context(|| format!("no worker in {status}"))?;
        Ok(pid.try_into()?)
    }

    /// The state of a namespace, `None` when the daemon does not know it.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn namespace(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.namespaces()?.remove(name))
    }

    /// The states of all namespaces that the daemon knows, by their names.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn namespaces(&self) -> Result<BTreeMap<String, Value>> {
        let status = self.status()?;
        let states = status.get("namespaces").and_then(Value::as_array);
        let states = states.with_context(|| format!("no namespaces in {status}"))?;
        let named = |state: &Value| Some((state.get("name")?.as_str()?.to_owned(), state.clone()));
        Ok(states.iter().filter_map(named).collect())
    }

    /// Waits until guests behind every interface of a namespace are served.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn wait_serving(&mut self, namespace: &str) -> Result<()> {
        self.wait(&format!("{namespace} is served"), |daemon| {
            let state = daemon.namespace(namespace)?;
            Ok(state.is_some_and(|state| is_serving(&state)))
        })
    }

    /// Waits for anything that a running daemon should come to.
    ///
    /// # Errors
    /// When that takes too long, or the daemon ends.
    pub fn wait(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        wait::until(what, READY_LIMIT, || {
            self.check_running()?;
            condition(self)
        })
    }

    /// # Errors
    /// When the daemon ended.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("metadatad ended: {status}: {}", self.last_line()),
            None => Ok(()),
        }
    }

    fn wait_ready(&mut self) -> Result<()> {
        self.wait("metadatad answers on its admin socket", |daemon| {
            Ok(daemon.admin_socket().exists() && daemon.status().is_ok())
        })
    }

    /// Asks it to end, as an init system does, and waits for it. The datapath
    /// stays, as it would between two versions.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.end_by(Signal::SIGTERM)
    }

    /// Sends it a signal that ends it, and waits for that.
    ///
    /// # Errors
    /// As [`Daemon::stop`].
    pub fn end_by(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        let mut ended = None;
        let waited = wait::until(&format!("metadatad ends on {signal}"), STOP_LIMIT, || {
            ended = self.child.try_wait()?;
            Ok(ended.is_some())
        });
        match ended {
            Some(status) => Ok(status),
            None => {
                self.child.kill()?;
                self.child.wait()?;
                Err(waited.err().context("metadatad was killed")?)
            }
        }
    }

    /// Ends it at once, with no chance to leave anything in order.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again with the same configuration and state.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.launch_again()?;
        self.wait_ready()
    }

    /// The same, and leaves it to itself.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn launch_again(&mut self) -> Result<()> {
        let config = self.config_file();
        self.child = spawn(&self.setup, &config, self.directory.path())?;
        Ok(())
    }

    /// Sends a signal to the daemon's first process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.pid(), signal)
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// When there is no such process.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid.try_into()?), signal).with_context(|| format!("no process {pid}"))
}

fn spawn(setup: &Setup, config: &Path, directory: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    let binary = &setup.binary;
    let mut command = match &setup.service_manager {
        Some(manager) => manager.command(binary)?,
        None => Command::new(binary),
    };
    command.args(["run", "--config-file"]).arg(config);
    command.stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    process::in_background(&mut command);
    for surroundings in &setup.surroundings {
        surroundings.prepare(&mut command)?;
    }
    unit::confine(&mut command)?;
    command
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}

/// Whether a status says that guests behind every interface of a namespace are
/// served.
#[must_use]
pub fn serves(status: &Value, name: &str) -> bool {
    namespace(status, name).is_some_and(is_serving)
}

/// What a status says of a namespace.
#[must_use]
pub fn namespace<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    let namespaces = status.get("namespaces")?.as_array()?;
    namespaces
        .iter()
        .find(|namespace| namespace.get("name").and_then(Value::as_str) == Some(name))
}

fn is_serving(namespace: &Value) -> bool {
    let interfaces = namespace.get("interfaces").and_then(Value::as_array);
    namespace.get("state").and_then(Value::as_str) == Some("serving")
        && interfaces.is_some_and(|interfaces| {
            let is_done = |interface: &Value| {
                interface.get("steered") == Some(&Value::Bool(true))
                    && interface.get("ipv6").and_then(Value::as_str) != Some("waiting")
            };
            !interfaces.is_empty() && interfaces.iter().all(is_done)
        })
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_log();
        }
        if self.is_running()
            && let Err(error) = self.stop()
        {
            eprintln!("warning: {error:#}");
        }
        if let Some(manager) = &self.setup.service_manager {
            manager.release();
        }
        if !self.setup.bpffs.exists() {
            return;
        }
        if let Err(error) = process::read(&mut self.command("unload")) {
            eprintln!("warning: metadatad unload: {error:#}");
        }
        if self.setup.bpffs.exists()
            && let Err(error) = fs::remove_dir_all(&self.setup.bpffs)
        {
            eprintln!("warning: {}: {error}", self.setup.bpffs.display());
        }
    }
}
