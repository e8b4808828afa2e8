//! metadatad in the cloud: on Neutron's own configuration files.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::addresses;
use super::place::Place;
use super::services::{neutron, ovn};
use crate::lab::{bpffs, daemon, wait};
use crate::process;

const LIMIT: Duration = Duration::from_secs(30);
/// Where the daemon and its shims find what concerns them both.
pub(super) const CONFIGURATION: &str = "conf/metadatad.conf";
const BPFFS: &str = "/sys/fs/bpf/metadatad-openstack";

/// Which hops are ours, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Hops {
    /// Namespaces that our proxy serves when they are there.
    pub(super) namespaces: Vec<String>,
    /// Where our proxy finds Neutron's agent; our own agent answers when there is none.
    pub(super) upstream: Option<PathBuf>,
    /// The resolver of our agent; Neutron's default when it does not matter.
    pub(super) resolver: Option<&'static str>,
    /// Whether it takes part in OVN's metadata: reads that agent's configuration too.
    pub(super) in_ovn: bool,
    /// Further options of `[metadatad]`, each with its line end.
    pub(super) options: String,
}

/// A running metadatad; it and its datapath go on drop.
#[derive(Debug)]
pub(super) struct Ours {
    child: Child,
    binary: PathBuf,
    files: Vec<PathBuf>,
    log: PathBuf,
}

impl Ours {
    /// Starts the hops that are ours, and waits until it can be asked.
    pub(super) fn start(place: &Place, binary: &Path, hops: &Hops) -> Result<Self> {
        bpffs::ensure_mounted()?;
        let own = place.write(CONFIGURATION, &configuration(place, hops))?;
        let mut files = vec![
            place.path(neutron::CONFIGURATION),
            place.path(neutron::METADATA_CONFIGURATION),
        ];
        if hops.in_ovn {
            files.push(place.path(ovn::CONFIGURATION));
        }
        files.push(own);
        let log = place.path("log/metadatad.log");
        let mut ours = Self {
            child: spawn(binary, &files, &log)?,
            binary: binary.to_owned(),
            files,
            log,
        };
        ours.wait_serving(&[])?;
        Ok(ours)
    }

    /// Starts it again as it was, after [`stop`](Self::stop).
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.binary, &self.files, &self.log)?;
        self.wait_serving(&[])
    }

    /// Waits until all of these namespaces are served.
    pub(super) fn wait_serving(&mut self, namespaces: &[String]) -> Result<()> {
        self.wait("metadatad serves", |ours| {
            Ok(ours
                .status()
                .is_ok_and(|status| namespaces.iter().all(|name| daemon::serves(&status, name))))
        })
    }

    /// Waits until guests behind so many interfaces of a namespace are served.
    pub(super) fn wait_interfaces(&mut self, namespace: &str, count: usize) -> Result<()> {
        self.wait("metadatad serves the interfaces", |ours| {
            let status = ours.status()?;
            Ok(daemon::serves(&status, namespace) && interfaces(&status, namespace) == count)
        })
    }

    /// Waits for anything that it should come to.
    pub(super) fn wait(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let outcome = wait::until(what, LIMIT, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("metadatad ended: {status}");
            }
            condition(self)
        });
        outcome.with_context(|| format!("see {}", self.log.display()))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn status(&self) -> Result<Value> {
        let text = process::read(self.command("status").arg("--json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Whether guests behind every interface of a namespace are served.
    pub(super) fn serves(&self, namespace: &str) -> Result<bool> {
        Ok(daemon::serves(&self.status()?, namespace))
    }

    /// How many requests of guests its worker answered.
    pub(super) fn answers(&self) -> Result<u64> {
        let status = self.status()?;
        let counts = status.get("requests").and_then(Value::as_object);
        let counts = counts.context("a status without requests")?;
        Ok(counts.values().filter_map(Value::as_u64).sum())
    }

    /// Removes the datapath, after [`stop`](Self::stop).
    pub(super) fn unload(&self) -> Result<()> {
        process::read(&mut self.command("unload")).map(drop)
    }

    fn command(&self, subcommand: &str) -> Command {
        command(&self.binary, subcommand, &self.files)
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(&mut self) -> Result<()> {
        daemon::send(self.child.id(), Signal::SIGTERM)?;
        wait::until("metadatad ends", LIMIT, || {
            Ok(self.child.try_wait()?.is_some())
        })
    }
}

/// How many interfaces of a namespace a status names.
fn interfaces(status: &Value, namespace: &str) -> usize {
    daemon::namespace(status, namespace)
        .and_then(|namespace| namespace.get("interfaces")?.as_array())
        .map_or(0, Vec::len)
}

impl Drop for Ours {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.stop()
        {
            eprintln!("warning: {error:#}");
        }
        if let Err(error) = self.unload() {
            eprintln!("warning: metadatad unload: {error:#}");
        }
        if Path::new(BPFFS).exists()
            && let Err(error) = fs::remove_dir_all(BPFFS)
        {
            eprintln!("warning: {BPFFS}: {error}");
        }
    }
}

fn spawn(binary: &Path, files: &[PathBuf], log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = command(binary, "run", files);
    command.stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    process::in_background(&mut command);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}

fn command(binary: &Path, subcommand: &str, files: &[PathBuf]) -> Command {
    let mut command = Command::new(binary);
    command.arg(subcommand);
    for file in files {
        command.arg("--config-file").arg(file);
    }
    command
}

/// What `metadata_proxy_socket_mode = all` would do, which Neutron's agents read and
/// do not apply since 2025.1: let another user's proxy connect.
pub(super) fn admit_worker(socket: &Path) -> Result<()> {
    Ok(fs::set_permissions(socket, Permissions::from_mode(0o666))?)
}

/// What metadatad needs besides Neutron's files.
fn configuration(place: &Place, hops: &Hops) -> String {
    let namespaces = match hops.namespaces.as_slice() {
        // A glob that no namespace has.
        [] => "none".to_owned(),
        names => names.join(","),
    };
    let upstream = match &hops.upstream {
        None => "agent".to_owned(),
        Some(socket) => format!("unix:{}", socket.display()),
    };
    format!(
        "[metadatad]\n\
         resolver = {}\n\
         proxy_upstream = {upstream}\n\
         namespaces = {namespaces}\n\
         bpffs = {BPFFS}\n\
         admin_socket = {}\n\
         {}\
         [neutron]\n\
         {}",
        hops.resolver.unwrap_or("neutron-rpc"),
        place.text("run/metadatad-admin.sock"),
        hops.options,
        neutron::credentials(addresses::SERVICE_USER),
    )
}
