//! metadatad in the cloud: on Neutron's own configuration files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::combination::{Combination, Resolver, Scene};
use crate::lab::{bpffs, daemon, wait};
use crate::openstack::addresses;
use crate::openstack::cloud::Networks;
use crate::openstack::place::Place;
use crate::openstack::services::{neutron, ovn};
use crate::process;

const LIMIT: Duration = Duration::from_secs(30);
const BPFFS: &str = "/sys/fs/bpf/metadatad-openstack";

/// A running metadatad; it and its datapath go on drop.
#[derive(Debug)]
pub(super) struct Ours {
    child: Child,
    binary: PathBuf,
    files: Vec<PathBuf>,
    log: PathBuf,
}

impl Ours {
    /// Starts the hops that are ours in this combination, and waits until guests
    /// are served.
    pub(super) fn start(place: &Place, binary: &Path, combination: Combination) -> Result<Self> {
        bpffs::ensure_mounted()?;
        let networks = Networks::load(place)?;
        let routers: Vec<String> = networks
            .routers
            .values()
            .filter(|_| combination.our_proxy)
            .map(|id| format!("qrouter-{id}"))
            .collect();
        let own = place.write(
            "conf/metadatad.conf",
            &configuration(place, combination, &routers),
        )?;
        let mut files = vec![
            place.path(neutron::CONFIGURATION),
            place.path(neutron::METADATA_CONFIGURATION),
        ];
        if combination.scene == Scene::Ovn {
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
        ours.wait_serving(&routers)
            .with_context(|| format!("see {}", ours.log.display()))?;
        Ok(ours)
    }

    fn wait_serving(&mut self, namespaces: &[String]) -> Result<()> {
        wait::until("metadatad serves", LIMIT, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("metadatad ended: {status}");
            }
            Ok(self
                .status()
                .is_ok_and(|status| namespaces.iter().all(|name| daemon::serves(&status, name))))
        })
    }

    pub(super) fn status(&self) -> Result<Value> {
        let text = process::read(self.command("status").arg("--json"))?;
        Ok(serde_json::from_str(&text)?)
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

impl Drop for Ours {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.stop()
        {
            eprintln!("warning: {error:#}");
        }
        if let Err(error) = process::read(&mut self.command("unload")) {
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

/// What metadatad needs besides Neutron's files.
fn configuration(place: &Place, combination: Combination, routers: &[String]) -> String {
    let namespaces = match routers {
        // A glob that no namespace has.
        [] => "none".to_owned(),
        names => names.join(","),
    };
    let resolver = combination.our_agent.unwrap_or(Resolver::NeutronRpc);
    let upstream = match combination.our_agent {
        Some(_) => "agent".to_owned(),
        None => format!("unix:{}", neutron::agent_socket(place).display()),
    };
    format!(
        "[metadatad]\n\
         resolver = {}\n\
         proxy_upstream = {upstream}\n\
         namespaces = {namespaces}\n\
         bpffs = {BPFFS}\n\
         admin_socket = {}\n\
         [neutron]\n\
         {}",
        resolver.name(),
        place.text("run/metadatad-admin.sock"),
        neutron::credentials(addresses::SERVICE_USER),
    )
}
