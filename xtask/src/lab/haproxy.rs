//! A real haproxy, configured as Neutron's l3-agent does it for a router.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::router::{PROXY_PORT, Router};
use super::{daemon, proc, wait};
use crate::process;

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
        let directory = tempfile::Builder::new().prefix("haproxy-").tempdir()?;
        let config = directory.path().join("haproxy.conf");
        let pidfile = directory.path().join("pid");
        fs::write(&config, neutron_config(router.id(), &pidfile, agent_socket))?;
        let mut command = router.namespace().command("haproxy");
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
                // It is a child of init, and some inits take seconds to bury theirs.
                Ok(proc::status(pid, "State").map_or(true, |state| state.starts_with('Z')))
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
fn neutron_config(router_id: &str, pidfile: &Path, agent_socket: &Path) -> String {
    format!(
        "
global
    log         /dev/log local0 info
    log-tag     haproxy-metadata-proxy-{router_id}
    user        root
    group       root
    maxconn     1024
    nbthread    2
    pidfile     {pidfile}
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

listen listener
    bind :::{PROXY_PORT}

    server metadata {socket}

    http-request del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID {router_id}
",
        pidfile = pidfile.display(),
        socket = agent_socket.display(),
    )
}
