//! A real haproxy, configured as Neutron's l3-agent does it for a router.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::agent_namespace::{Agent, AgentNamespace};
use super::router::{PROXY_PORT, Router, VIP};
use super::{daemon, proc, wait};
use crate::process;

/// What differs between Neutron's haproxies.
struct Listener<'a> {
    /// UUID of the router or network.
    id: &'a str,
    bind: &'a str,
    /// The rules, but for the first one's `http-request`.
    headers: &'a str,
}

/// A haproxy in a router's namespace; ended on drop.
#[derive(Debug)]
pub struct Haproxy {
    pid: u32,
    _directory: TempDir,
}

impl Haproxy {
    /// Starts it between the proxy port and an agent's socket.
    ///
    /// # Errors
    /// When haproxy refuses the configuration or writes no pid file.
    pub fn start(router: &Router, agent_socket: &Path) -> Result<Self> {
        let listener = Listener {
            id: router.id(),
            bind: &format!(":::{PROXY_PORT}"),
            headers: &format!(
                "del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID {}",
                router.id()
            ),
        };
        Self::run(
            router.namespace().command("haproxy"),
            &listener,
            agent_socket,
        )
    }

    /// Starts it on the metadata address in the namespace of a network, with the
    /// header that `agent` has it write.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the namespace has no metadata address.
    pub fn start_for_network(
        agent: Agent,
        network: &AgentNamespace,
        agent_socket: &Path,
    ) -> Result<Self> {
        let id = &network.network_id;
        let headers = match agent {
            Agent::Dhcp => format!(
                "del-header X-Neutron-Router-ID
    http-request set-header X-Neutron-Network-ID {id}"
            ),
            Agent::Ovn => format!("add-header X-OVN-Network-ID {id}"),
        };
        let listener = Listener {
            id,
            bind: &format!("{VIP}:80"),
            headers: &headers,
        };
        let command = network.namespace().command("haproxy");
        Self::run(command, &listener, agent_socket)
    }

    /// Starts the dhcp-agent's for a router that reaches a network of its own for
    /// metadata (`enable_metadata_network`).
    ///
    /// # Errors
    /// As [`start_for_network`](Self::start_for_network).
    pub fn start_for_router_on_a_network(
        router_id: &str,
        network: &AgentNamespace,
        agent_socket: &Path,
    ) -> Result<Self> {
        let listener = Listener {
            id: router_id,
            bind: &format!("{VIP}:80"),
            headers: &format!(
                "del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID {router_id}"
            ),
        };
        let command = network.namespace().command("haproxy");
        Self::run(command, &listener, agent_socket)
    }

    /// Starts one on this host's loopback, with the header that OVN's agent has it
    /// write (neutron/agent/ovn/metadata/driver.py).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_for_ovn(network_id: &str, port: u16, agent_socket: &Path) -> Result<Self> {
        let listener = Listener {
            id: network_id,
            bind: &format!("127.0.0.1:{port}"),
            headers: &format!("add-header X-OVN-Network-ID {network_id}"),
        };
        Self::run(Command::new("haproxy"), &listener, agent_socket)
    }

    fn run(mut command: Command, listener: &Listener<'_>, agent_socket: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("haproxy-").tempdir()?;
        let config = directory.path().join("haproxy.conf");
        let pidfile = directory.path().join("pid");
        fs::write(&config, neutron_config(listener, &pidfile, agent_socket))?;
        process::read(command.arg("-f").arg(&config))?;
        wait::until("haproxy writes its pid", Duration::from_secs(10), || {
            Ok(read_pid(&pidfile).is_ok())
        })?;
        Ok(Self {
            pid: read_pid(&pidfile)?,
            _directory: directory,
        })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let pid = self.pid;
        let gone = daemon::send(pid, Signal::SIGTERM).and_then(|()| {
            wait::until("haproxy ends", Duration::from_secs(10), || {
                Ok(!proc::is_alive(pid))
            })
        });
        if let Err(error) = gone {
            eprintln!("warning: haproxy {pid}: {error:#}");
        }
    }
}

fn read_pid(pidfile: &Path) -> Result<u32> {
    let text = fs::read_to_string(pidfile)?;
    text.trim()
        .parse()
        .with_context(|| format!("not a pid: {text}"))
}

/// As neutron/agent/metadata/driver.py and neutron/common/metadata.py write it.
fn neutron_config(listener: &Listener<'_>, pidfile: &Path, agent_socket: &Path) -> String {
    let Listener { id, bind, headers } = listener;
    format!(
        "{sections}listen listener
    bind {bind}

    server metadata {socket}

    http-request {headers}
",
        sections = common_sections(id, pidfile),
        socket = agent_socket.display(),
    )
}

/// What all of Neutron's configurations begin with.
pub(super) fn common_sections(id: &str, pidfile: &Path) -> String {
    format!(
        "
global
    log         /dev/log local0 info
    log-tag     haproxy-metadata-proxy-{id}
    user        root
    group       root
    maxconn     1024
    nbthread    2
    pidfile     {}
    daemon

defaults
    log global
    mode http
    option httplog
    option dontlognull
    option http-server-close
    option forwardfor
    retries                 3
    timeout http-request    30s
    timeout connect         30s
    timeout client          32s
    timeout server          32s
    timeout http-keep-alive 30s

",
        pidfile.display()
    )
}
