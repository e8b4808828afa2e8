//! A real ovsdb-server, in a temporary directory.

pub mod pki;
pub mod southbound;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use self::pki::Pems;
use super::{daemon, unique, wait};
use crate::process;

const LIMIT: Duration = Duration::from_secs(20);

/// Which database it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Southbound,
    OpenVswitch,
}

impl Database {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Southbound => "OVN_Southbound",
            Self::OpenVswitch => "Open_vSwitch",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::Southbound => "/usr/share/ovn/ovn-sb.ovsschema",
            Self::OpenVswitch => "/usr/share/openvswitch/vswitch.ovsschema",
        }
    }
}

/// A server on a unix socket and a loopback port; ended on drop.
#[derive(Debug)]
pub struct OvsdbServer {
    database: Database,
    directory: TempDir,
    port: u16,
    pems: Option<Pems>,
    child: Option<Child>,
}

impl OvsdbServer {
    /// Starts one with an empty database.
    ///
    /// # Errors
    /// When the tools are missing or the server does not answer.
    pub fn start(database: Database) -> Result<Self> {
        Self::with(database, None, |file| {
            let mut create = Command::new("ovsdb-tool");
            create.arg("create").arg(file).arg(database.schema());
            create
        })
    }

    /// Starts one whose port speaks TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_tls(database: Database, pems: Pems) -> Result<Self> {
        Self::with(database, Some(pems), |file| {
            let mut create = Command::new("ovsdb-tool");
            create.arg("create").arg(file).arg(database.schema());
            create
        })
    }

    /// Starts the first member of a cluster, whose members talk at `raft`, or one
    /// that joins the one at `leader`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_member(database: Database, raft: &str, leader: Option<&str>) -> Result<Self> {
        Self::with(database, None, |file| {
            let mut create = Command::new("ovsdb-tool");
            match leader {
                None => create
                    .arg("create-cluster")
                    .arg(file)
                    .args([database.schema(), raft]),
                Some(leader) => {
                    create
                        .arg("join-cluster")
                        .arg(file)
                        .args([database.name(), raft, leader])
                }
            };
            create
        })
    }

    fn with(
        database: Database,
        pems: Option<Pems>,
        create: impl FnOnce(&Path) -> Command,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("ovsdb-").tempdir()?;
        // As Debian has /run/ovn.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700))?;
        process::read(&mut create(&directory.path().join("db")))?;
        let mut server = Self {
            database,
            port: unique::loopback_port()?,
            directory,
            pems,
            child: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it on what an earlier life left.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<()> {
        let path = |name: &str| self.directory.path().join(name);
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let mut command = Command::new("ovsdb-server");
        command.arg(format!("--remote=punix:{}", path("socket").display()));
        let kind = if self.pems.is_some() { "pssl" } else { "ptcp" };
        command.arg(format!("--remote={kind}:{}:127.0.0.1", self.port));
        if let Some(pems) = &self.pems {
            command.args([
                option("private-key", &pems.key),
                option("certificate", &pems.certificate),
                option("ca-cert", &pems.ca),
            ]);
        }
        command.arg(option("unixctl", &path("control")));
        command
            .args(["-vconsole:info", "-vsyslog:off"])
            .arg(path("db"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("cannot start ovsdb-server")?;
        self.child = Some(child);
        wait::until("ovsdb-server answers", LIMIT, || Ok(self.answers()))
            .with_context(|| fs::read_to_string(path("log")).unwrap_or_default())
    }

    fn answers(&self) -> bool {
        let mut wait = Command::new("ovsdb-client");
        wait.args([
            "--timeout=1",
            "wait",
            &self.unix(),
            self.database.name(),
            "connected",
        ]);
        process::read(&mut wait).is_ok()
    }

    /// `unix:…`
    #[must_use]
    pub fn unix(&self) -> String {
        format!("unix:{}", self.directory.path().join("socket").display())
    }

    /// `tcp:…` or `ssl:…`
    #[must_use]
    pub fn inet(&self) -> String {
        let kind = if self.pems.is_some() { "ssl" } else { "tcp" };
        format!("{kind}:127.0.0.1:{}", self.port)
    }

    /// Where its files are; it is root's alone.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Carries out operations (RFC 7047, section 5.2); returns their results.
    ///
    /// # Errors
    /// When one fails.
    pub fn transact(&self, operations: &[Value]) -> Result<Vec<Value>> {
        let mut params = vec![Value::from(self.database.name())];
        params.extend_from_slice(operations);
        let mut client = Command::new("ovsdb-client");
        client.args(["--timeout=10", "transact", &self.unix()]);
        let answer = process::read(client.arg(Value::from(params).to_string()))?;
        let results: Vec<Value> = serde_json::from_str(&answer)?;
        match results.iter().find(|result| result.get("error").is_some()) {
            Some(failed) => bail!("the database refuses: {failed}"),
            None => Ok(results),
        }
    }

    /// Whether it leads its cluster.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn leads(&self) -> Result<bool> {
        let control = self.directory.path().join("control");
        let mut status = Command::new("ovs-appctl");
        status.arg("-t").arg(control);
        let status = process::read(status.args(["cluster/status", self.database.name()]))?;
        Ok(status.contains("Role: leader"))
    }

    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("the server does not run")?;
        daemon::send(child.id(), signal)
    }

    /// Ends it at once; what it was told is on disk.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for OvsdbServer {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("warning: ovsdb-server: {error:#}");
        }
    }
}
