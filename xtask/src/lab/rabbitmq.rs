//! A RabbitMQ of our own: Debian's program without its service, with a node name,
//! ports and directories that no other one has, all on 127.0.0.1.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{unique, wait};
use crate::process;

/// Where Debian keeps the programs that do not insist on the system's account.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// Erlang starts slowly on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// PEM files with which a broker speaks TLS, with clients that the authority knows.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    pub ca: &'a Path,
    pub cert: &'a Path,
    pub key: &'a Path,
}

/// A running broker, whose account is `guest`, password `guest`; ended on drop.
#[derive(Debug)]
pub struct RabbitMq {
    server: Child,
    /// Erlang's directory of nodes; ours, or Erlang would start one that stays.
    epmd: Child,
    epmd_port: u16,
    dist_port: u16,
    port: u16,
    tls_port: u16,
    node: String,
    directory: TempDir,
}

impl RabbitMq {
    /// Starts a broker and waits until it takes connections.
    ///
    /// # Errors
    /// When a program is missing or the broker does not start.
    pub fn start() -> Result<Self> {
        Self::with(None)
    }

    /// The same with a second port, on which it speaks TLS.
    ///
    /// # Errors
    /// As [`RabbitMq::start`].
    pub fn with_tls(tls: Tls<'_>) -> Result<Self> {
        Self::with(Some(tls))
    }

    fn with(tls: Option<Tls<'_>>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("rabbitmq-").tempdir()?;
        let (epmd_port, dist_port) = (unique::loopback_port()?, unique::loopback_port()?);
        let (port, tls_port) = (unique::loopback_port()?, unique::loopback_port()?);
        let here = directory.path();
        let mut config = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
        if let Some(Tls { ca, cert, key }) = tls {
            write!(
                config,
                "listeners.ssl.1 = 127.0.0.1:{tls_port}\n\
                 ssl_options.cacertfile = {}\n\
                 ssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\n\
                 ssl_options.verify = verify_peer\n\
                 ssl_options.fail_if_no_peer_cert = true\n",
                ca.display(),
                cert.display(),
                key.display(),
            )?;
        }
        fs::write(here.join("rabbitmq.conf"), config)?;
        fs::write(here.join("enabled_plugins"), "[].\n")?;
        let epmd = epmd(epmd_port)?;
        let node = format!("lab-{}@localhost", unique::tag()?);
        let server = server(here, &node, epmd_port, dist_port)?;
        let mut broker = Self {
            server,
            epmd,
            epmd_port,
            dist_port,
            port,
            tls_port,
            node,
            directory,
        };
        broker.wait_ready()?;
        Ok(broker)
    }

    /// For AMQP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For AMQP over TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// For `transport_url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rabbit://guest:guest@127.0.0.1:{}/", self.port)
    }

    /// Ends it without a word, as a machine that loses its power.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.server.wait()?;
        Ok(())
    }

    /// Starts it again on the same ports with what it had written.
    ///
    /// # Errors
    /// As [`RabbitMq::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let here = self.directory.path();
        self.server = server(here, &self.node, self.epmd_port, self.dist_port)?;
        self.wait_ready()
    }

    /// Sends a signal to all of its processes, for example SIGSTOP.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let group = Pid::from_raw(self.server.id().try_into()?);
        killpg(group, signal).context("no RabbitMQ to signal")
    }

    /// Runs a `rabbitmqctl` command.
    ///
    /// # Errors
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        environment(
            &mut command,
            self.directory.path(),
            &self.node,
            self.epmd_port,
        );
        process::read(command.args(arguments))
    }

    fn wait_ready(&mut self) -> Result<()> {
        let port = self.port;
        let answers = wait::until("RabbitMQ takes connections", START_LIMIT, || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
        });
        answers.with_context(|| {
            let output = fs::read_to_string(self.directory.path().join("output"));
            format!("RabbitMQ printed: {}", output.unwrap_or_default())
        })
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None))
            && let Err(error) = self.kill()
        {
            eprintln!("warning: {error:#}");
        }
        for ended in [self.epmd.kill(), self.epmd.wait().map(drop)] {
            if let Err(error) = ended {
                eprintln!("warning: epmd: {error}");
            }
        }
    }
}

fn epmd(port: u16) -> Result<Child> {
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::in_background(&mut command);
    command.spawn().context("cannot start epmd")
}

fn server(here: &Path, node: &str, epmd_port: u16, dist_port: u16) -> Result<Child> {
    let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmq-server"));
    environment(&mut command, here, node, epmd_port);
    let loopback = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none";
    command
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback)
        .env("RABBITMQ_DIST_PORT", dist_port.to_string())
        .env("RABBITMQ_MNESIA_BASE", here.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", here.join("log"))
        .env("RABBITMQ_CONFIG_FILE", here.join("rabbitmq.conf"))
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            here.join("enabled_plugins"),
        )
        .env("RABBITMQ_PID_FILE", here.join("pid"));
    let output = File::create(here.join("output"))?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    process::in_background(&mut command);
    command.spawn().context("cannot start rabbitmq-server")
}

fn environment(command: &mut Command, here: &Path, node: &str, epmd_port: u16) {
    command
        // The cookie by which its programs know each other.
        .env("HOME", here)
        .env("RABBITMQ_NODENAME", node)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", epmd_port.to_string());
}
