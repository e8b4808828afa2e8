//! A real metadata API in a process of its own, which can be stopped and paused.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use xtask::lab::daemon::send;
use xtask::lab::{proc, wait};
use xtask::process;

use super::METADATAD;

const LIMIT: Duration = Duration::from_secs(30);

/// A running `metadatad api`; ended on drop.
pub(crate) struct Api {
    child: Child,
    paused: Vec<u32>,
    _config: TempDir,
}

impl Api {
    /// Serves where an agent with this configuration looks for Nova.
    pub(crate) fn start(agents_config: &Path) -> Result<Self> {
        Self::configured(&fs::read_to_string(agents_config)?)
    }

    /// Likewise, but it knows another secret.
    pub(crate) fn with_other_secret(agents_config: &Path) -> Result<Self> {
        let config = fs::read_to_string(agents_config)?;
        Self::configured(&config.replace("shared_secret = ", "shared_secret = other-"))
    }

    fn configured(config: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("api.conf");
        fs::write(&file, config)?;
        let port = config
            .lines()
            .find_map(|line| line.strip_prefix("nova_metadata_port = "))
            .context("no port")?;
        let port: u16 = port.parse()?;
        let mut command = Command::new(METADATAD);
        command.args(["api", "--config-file"]).arg(&file);
        command.stdin(Stdio::null());
        process::in_background(&mut command);
        let api = Self {
            child: command.spawn().context("cannot start metadatad api")?,
            paused: Vec::new(),
            _config: directory,
        };
        wait::until("the API listens", LIMIT, || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(api)
    }

    /// It takes connections, by its backlog, and says nothing more.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.paused = proc::children(self.child.id())?;
        self.signal_paused(Signal::SIGSTOP)?;
        // On a busy machine a thread can answer once more before it stops.
        wait::until("the API stands still", LIMIT, || {
            let mut states = Vec::new();
            for pid in &self.paused {
                states.extend(proc::status_of_threads(*pid, "State")?);
            }
            Ok(states.iter().all(|state| state.starts_with('T')))
        })
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        self.signal_paused(Signal::SIGCONT)?;
        self.paused.clear();
        Ok(())
    }

    fn signal_paused(&self, signal: Signal) -> Result<()> {
        self.paused.iter().try_for_each(|&pid| send(pid, signal))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let resumed = self.resume();
        let asked = send(self.child.id(), Signal::SIGTERM);
        let ended = wait::until("the API ends", LIMIT, || {
            Ok(self.child.try_wait()?.is_some())
        });
        if let Err(error) = resumed.and(asked).and(ended) {
            eprintln!("warning: metadatad api: {error:#}");
            let _gone = self.child.kill();
            let _buried = self.child.wait();
        }
    }
}
