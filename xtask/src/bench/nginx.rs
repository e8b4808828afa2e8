//! A real nginx that gives everybody the same answer.

use std::fs::{self, File};
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::lab::router::{PROXY_PORT, Router, VIP};
use crate::lab::{daemon, proxy_socket, unique, wait};
use crate::process;

const LIMIT: Duration = Duration::from_secs(10);

/// About as long as a real `meta_data.json`.
#[must_use]
pub(super) fn answer() -> String {
    format!(
        "{{\"uuid\":\"constant\",\"padding\":\"{}\"}}",
        "x".repeat(1200)
    )
}

/// Where something long is to be had: a guest that reads slowly must fill buffers.
pub(super) const LARGE: &str = "/openstack/latest/user_data";

/// Nova keeps no longer user data.
const LARGE_SIZE: usize = 64 * 1024;

/// A running nginx with two workers, as haproxy has two threads; ended on drop.
#[derive(Debug)]
pub(super) struct Nginx {
    child: Child,
    directory: TempDir,
}

/// Where the nginx of the steering comparison listens in its router.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// At the address and port that guests ask.
    MetadataAddress,
    /// At the proxy port of the metadata address, as metadatad's proxy does.
    ProxyPort,
    /// At the proxy port of every address, as Neutron's haproxy does.
    ProxyPortEverywhere,
}

impl Nginx {
    /// In a router's namespace, in the place of a proxy.
    ///
    /// # Errors
    /// When nginx does not start.
    pub(super) fn in_router(router: &Router, place: Place) -> Result<Self> {
        let listen = match place {
            Place::MetadataAddress => format!("{VIP}:80"),
            Place::ProxyPort => format!("{VIP}:{PROXY_PORT}"),
            Place::ProxyPortEverywhere => format!("[::]:{PROXY_PORT} ipv6only=off"),
        };
        let server = format!("server {{ listen {listen}; return 200 '{}'; }}", answer());
        let mut command = router.namespace().command("nginx");
        let _until_it_has_it = match place {
            Place::ProxyPort => Some(bequeath(&mut command, router)?),
            Place::MetadataAddress | Place::ProxyPortEverywhere => None,
        };
        Self::start(command, |_| server)
    }

    fn start(mut command: Command, servers: impl FnOnce(&Path) -> String) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("nginx-").tempdir()?;
        let config = directory.path().join("nginx.conf");
        fs::write(&config, configuration(&servers(directory.path())))?;
        let large = directory.path().join(LARGE.trim_start_matches('/'));
        fs::create_dir_all(large.parent().unwrap_or(directory.path()))?;
        fs::write(large, "x".repeat(LARGE_SIZE))?;
        let log = File::create(directory.path().join("log"))?;
        command
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(&config);
        command.args(["-e", "stderr"]);
        command.stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        process::in_background(&mut command);
        let child = command.spawn().context("cannot start nginx")?;
        let mut nginx = Self { child, directory };
        nginx.wait_ready()?;
        Ok(nginx)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let pid = self.directory.path().join("pid");
        wait::until("nginx writes its pid", LIMIT, || {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(self.directory.path().join("log"))?;
                bail!("nginx ended: {status}: {log}");
            }
            Ok(pid.exists())
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let ended = daemon::send(self.pid(), Signal::SIGTERM)
            .and_then(|()| Ok(self.child.wait().map(|_| ())?));
        if let Err(error) = ended {
            eprintln!("warning: nginx {}: {error:#}", self.pid());
        }
    }
}

/// Gives an nginx a listening socket that the programs take for metadatad's, in the way
/// in which an older nginx does at an upgrade. It has to live until nginx is there.
fn bequeath(nginx: &mut Command, router: &Router) -> Result<TcpListener> {
    let address = SocketAddrV4::new(VIP.parse()?, PROXY_PORT);
    let listener = router
        .namespace()
        .enter(|| proxy_socket::open(address.into()))??;
    let fd = listener.as_raw_fd();
    nginx.env("NGINX", format!("{fd};"));
    let keep = move || {
        // SAFETY: it is open, as it is in the process that is about to become nginx.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: the call is async-signal-safe, and nothing else happens between fork and
    // exec.
    unsafe { nginx.pre_exec(keep) };
    Ok(listener)
}

/// The nginx that stands for everything behind a proxy: for the agent and Nova
/// at a unix socket, for Nova alone at a port.
#[derive(Debug)]
pub(super) struct Upstream {
    nginx: Nginx,
    port: u16,
}

impl Upstream {
    /// # Errors
    /// When nginx does not start.
    pub(super) fn start() -> Result<Self> {
        let port = unique::loopback_port()?;
        let nginx = Nginx::start(Command::new("nginx"), |directory| {
            upstream_servers(port, &socket_in(directory))
        })?;
        Ok(Self { nginx, port })
    }

    pub(super) fn pid(&self) -> u32 {
        self.nginx.pid()
    }

    /// Where an agent would answer.
    pub(super) fn agent_socket(&self) -> PathBuf {
        socket_in(self.nginx.directory.path())
    }

    /// Where nova-api-metadata would answer.
    pub(super) fn nova_port(&self) -> u16 {
        self.port
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("metadata_proxy")
}

/// Each refuses requests that lack what the proxy before it must add: a proxy
/// that does less than its job must not win.
fn upstream_servers(nova_port: u16, agent_socket: &Path) -> String {
    let answer = answer();
    format!(
        "server {{
            listen unix:{socket};
            if ($http_x_forwarded_for = '') {{ return 400; }}
            if ($http_x_neutron_router_id = '') {{ return 400; }}
            location = {LARGE} {{ root .; }}
            location / {{ return 200 '{answer}'; }}
        }}
        server {{
            listen 127.0.0.1:{nova_port};
            if ($http_x_instance_id = '') {{ return 400; }}
            if ($http_x_instance_id_signature = '') {{ return 400; }}
            location = {LARGE} {{ root .; }}
            location / {{ return 200 '{answer}'; }}
        }}",
        socket = agent_socket.display()
    )
}

fn configuration(servers: &str) -> String {
    format!(
        "daemon off;
        worker_processes 2;
        pid pid;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            default_type application/json;
            keepalive_requests 1000000000;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            {servers}
        }}
        "
    )
}
