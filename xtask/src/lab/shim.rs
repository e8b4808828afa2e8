//! metadatad in haproxy's place: linked under its name, and started as Neutron's agents
//! start haproxy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::daemon::{self, Daemon};
use super::namespace::Namespace;
use super::router::{PROXY_PORT, VIP};
use super::{haproxy, proc, unique, wait};
use crate::process;

const LIMIT: Duration = Duration::from_secs(20);

/// What an agent wants of a proxy.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// UUID of the router or network.
    pub id: String,
    pub bind: String,
    /// What follows `http-request`.
    pub header: String,
    /// Lines of the section `listen`, and sections before it.
    pub limits: (String, String),
}

impl Wanted {
    /// By the l3-agent.
    #[must_use]
    pub fn for_router(id: &str) -> Self {
        Self::new(
            id,
            &format!(":::{PROXY_PORT}"),
            "set-header X-Neutron-Router-ID",
        )
    }

    /// By the dhcp-agent.
    #[must_use]
    pub fn for_network(id: &str) -> Self {
        Self::new(id, &format!("{VIP}:80"), "set-header X-Neutron-Network-ID")
    }

    /// By the dhcp-agent, with `enable_metadata_network`.
    #[must_use]
    pub fn for_router_on_a_network(id: &str) -> Self {
        Self::new(id, &format!("{VIP}:80"), "set-header X-Neutron-Router-ID")
    }

    /// By OVN's agent.
    #[must_use]
    pub fn for_ovn(id: &str) -> Self {
        Self::new(id, &format!("{VIP}:80"), "add-header X-OVN-Network-ID")
    }

    fn new(id: &str, bind: &str, header: &str) -> Self {
        Self {
            id: id.to_owned(),
            bind: bind.to_owned(),
            header: format!("{header} {id}"),
            limits: <_>::default(),
        }
    }

    /// With `[metadata_rate_limiting]` of this many requests in a window of seconds.
    #[must_use]
    pub fn limited(mut self, requests: u32, seconds: u32) -> Self {
        let (mut tables, mut rules) = (String::new(), String::new());
        for (number, table) in ["base_rate_limiter", "burst_rate_limiter"]
            .iter()
            .enumerate()
        {
            tables += &format!(
                "backend {table}\n    stick-table type ip size 10k expire {seconds}s store \
                 http_req_rate({seconds}s)\n\n"
            );
            rules += &format!(
                "    http-request track-sc{number} src table {table}\n    http-request deny \
                 deny_status 429 if {{ src_http_req_rate({table}) gt {requests} }}\n"
            );
        }
        self.limits = (tables, rules);
        self
    }

    /// The configuration, as Neutron 2026.2 writes it.
    #[must_use]
    pub fn config(&self, pidfile: &Path, socket: &Path) -> String {
        let Self {
            id, bind, header, ..
        } = self;
        let (tables, rules) = &self.limits;
        format!(
            "{}{tables}
listen listener
    bind {bind}
    \n{rules}
    server metadata {}

    http-request {header}
",
            haproxy::common_sections(id, pidfile),
            socket.display(),
        )
    }
}

/// Where one agent keeps a proxy's files, and the program's link.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    id: String,
    /// The configuration that names the daemon's socket.
    settings: PathBuf,
}

impl Place {
    /// Writes the proxy's configuration for the shim of `metadatad`, which reads
    /// `settings`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(metadatad: &Path, settings: &Path, wanted: &Wanted) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("shim-").tempdir()?;
        let place = Self {
            directory,
            id: wanted.id.clone(),
            settings: settings.to_owned(),
        };
        symlink(metadatad, place.program())?;
        let socket = place.directory.path().join("metadata_proxy");
        fs::write(place.config(), wanted.config(&place.pidfile(), &socket))?;
        Ok(place)
    }

    /// The directory to put on the agents' PATH.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The link.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.directory.path().join("haproxy")
    }

    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.path().join(format!("{}.conf", self.id))
    }

    #[must_use]
    pub fn pidfile(&self) -> PathBuf {
        self.directory
            .path()
            .join(format!("{}.pid.haproxy", self.id))
    }

    /// What the pid file says.
    ///
    /// # Errors
    /// When there is none.
    pub fn pid(&self) -> Result<u32> {
        let text = fs::read_to_string(self.pidfile())?;
        let pid = text.trim().parse();
        pid.with_context(|| format!("not a pid: {text}"))
    }

    /// What an agent calls active: the pid file's process has the id in its arguments
    /// (neutron/agent/linux/external_process.py).
    #[must_use]
    pub fn is_active(&self) -> bool {
        let line = self
            .pid()
            .map(|pid| fs::read(format!("/proc/{pid}/cmdline")));
        line.is_ok_and(|line| {
            line.is_ok_and(|line| String::from_utf8_lossy(&line).contains(&self.id))
        })
    }

    /// A command line with the environment that an agent gives, in a namespace.
    #[must_use]
    pub fn command(&self, namespace: &Namespace, words: &[&str]) -> Command {
        let mut command = namespace.command("env");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .arg(format!("PROCESS_TAG=haproxy-{}", self.id))
            .arg(format!("METADATAD_CONFIG={}", self.settings.display()))
            .arg(format!("PATH={}:{path}", self.directory.path().display()))
            .args(words);
        command
    }

    /// `haproxy -f FILE` in a namespace.
    #[must_use]
    pub fn haproxy(&self, namespace: &Namespace) -> Command {
        let mut command = self.command(namespace, &["haproxy", "-f"]);
        command.arg(self.config());
        command
    }
}

/// A running shim; ended on drop.
#[derive(Debug)]
pub struct Shim {
    pid: u32,
    pub place: Place,
}

impl Shim {
    /// Starts it as an agent does, and waits for it as an agent does.
    ///
    /// # Errors
    /// When it fails, or is not active then.
    pub fn start(daemon: &Daemon, namespace: &Namespace, wanted: &Wanted) -> Result<Self> {
        let place = Place::create(daemon.binary(), &daemon.config_file(), wanted)?;
        Self::start_at(place, namespace).map(|(shim, _)| shim)
    }

    /// The same; returns what it wrote to standard error too.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(place: Place, namespace: &Namespace) -> Result<(Self, String)> {
        let output = process::output(&mut place.haproxy(namespace))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("{}: {said}", output.status);
        }
        let shim = Self::found_at(place).with_context(|| said.clone())?;
        Ok((shim, said))
    }

    /// One that was started there in another way.
    ///
    /// # Errors
    /// When it is not active.
    pub fn found_at(place: Place) -> Result<Self> {
        let shim = Self {
            pid: place.pid()?,
            place,
        };
        if !shim.place.is_active() {
            bail!("the shim is not active");
        }
        Ok(shim)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        proc::is_alive(self.pid)
    }

    /// Sends a signal and waits until the process has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(&self, signal: Signal) -> Result<()> {
        daemon::send(self.pid, signal)?;
        wait::until("the shim ends", LIMIT, || Ok(!self.is_alive()))
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if self.is_alive()
            && let Err(error) = self.end(Signal::SIGKILL)
        {
            eprintln!("warning: shim {}: {error:#}", self.pid);
        }
    }
}

/// More than the waiter needs, KiB, and less than the whole program.
const MOST_OF_THE_WAITER: u64 = 150;

/// Whether a shim has become the waiter, which catches what is to end it: the whole program
/// does not. Just before that it has the waiter's memory already, and for a moment none.
///
/// # Errors
/// When there is no such process.
pub fn is_waiter(pid: u32) -> Result<bool> {
    let terminates = 1 << (Signal::SIGTERM as u32 - 1);
    let is_caught = proc::caught_signals(pid)? & terminates != 0;
    Ok(is_caught && private_memory(pid).is_ok_and(|memory| memory < MOST_OF_THE_WAITER))
}

/// Memory that only this process uses, KiB.
///
/// # Errors
/// When there is no such process.
pub fn private_memory(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines
        .map(|line| {
            let number = line.split_whitespace().nth(1);
            let number = number.with_context(|| format!("no number in {line}"))?;
            Ok(number.parse::<u64>()?)
        })
        .sum()
}

/// A namespace of a network whose only guest is behind `tap…`, as the dhcp-agent and
/// OVN's agent make it, with the metadata address or without.
///
/// # Errors
/// When it cannot be made.
pub fn namespace_of_network(
    name: &str,
    guest: &Namespace,
    mac: &str,
    with_address: bool,
) -> Result<Namespace> {
    let namespace = Namespace::create(name)?;
    let port: String = unique::uuid()?.chars().take(11).collect();
    namespace.ip(&format!(
        "link add tap{port} type veth peer name eth0 address {mac} netns {}",
        guest.name()
    ))?;
    namespace.ip(&format!("address add 17.17.17.2/24 dev tap{port}"))?;
    if with_address {
        namespace.ip(&format!("address add {VIP}/32 dev tap{port}"))?;
    }
    namespace.ip(&format!("link set tap{port} up"))?;
    guest.ip("link set eth0 up")?;
    guest.ip("address add 17.17.17.5/24 dev eth0")?;
    guest.ip(&format!("route add {VIP} via 17.17.17.2"))?;
    Ok(namespace)
}
