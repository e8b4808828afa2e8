//! The load generator: wrk, in a guest's namespace.

use std::fs;
use std::thread;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::lab::guest::Guest;
use crate::process;

const URL: &str = "http://169.254.169.254/openstack/latest/meta_data.json";

/// Metadatad shares the answer to requests that are the same at the same time: one guest
/// that asks for one page on many connections would measure nothing else.
const PAGES: usize = 200;

/// What one guest does to the metadata address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Workload {
    pub(super) connections: usize,
    /// Else a connection per request.
    pub(super) keep_alive: bool,
    /// Whether failed requests are counted, and not taken for the end.
    pub(super) may_fail: bool,
}

impl Workload {
    pub(super) fn describe(self) -> String {
        let kind = match self.keep_alive {
            true => "keep-alive",
            false => "connection per request",
        };
        format!("{kind}, {} connections", self.connections)
    }
}

/// What wrk counted in one run.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    errors: Errors,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Errors {
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    status: u64,
}

/// What a thread of a generator asks for, page after page, as wrk's script does.
pub(super) fn requests(thread: usize) -> Vec<Vec<u8>> {
    let path = URL.trim_start_matches("http://169.254.169.254");
    let page = |page| {
        format!("GET {path}?{thread}-{page} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n").into_bytes()
    };
    (0..PAGES).map(page).collect()
}

/// wrk prints its summary for people; its script hook prints it for us. Each
/// thread asks for one of [`PAGES`] after the other.
const SCRIPT: &str = r#"
local threads = 0
setup = function(thread)
  thread:set("number", threads)
  threads = threads + 1
end
local asked = 0
request = function()
  asked = asked + 1
  return wrk.format(nil, wrk.path .. "?" .. number .. "-" .. asked % PAGES)
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p90_us":%d,"p99_us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
"#;

/// wrk with its script.
#[derive(Debug)]
pub(super) struct Generator {
    directory: TempDir,
    threads: usize,
}

impl Generator {
    /// # Errors
    /// When the script cannot be written.
    pub(super) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("wrk-").tempdir()?;
        let script = SCRIPT.replace("PAGES", &PAGES.to_string());
        fs::write(directory.path().join("summary.lua"), script)?;
        let threads = thread::available_parallelism()?.get();
        Ok(Self { directory, threads })
    }

    /// Gives a guest enough source ports for many seconds of a connection per
    /// request: 28,000 ports in TIME_WAIT would end a run early.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn prepare(guest: &Guest) -> Result<()> {
        let inside = guest.namespace();
        inside.sysctl("ipv4/ip_local_port_range", "1024 65535")?;
        inside.sysctl("ipv4/tcp_tw_reuse", "1")
    }

    /// One run.
    ///
    /// # Errors
    /// When a request failed: what is broken must not be compared.
    pub(super) fn run(&self, guest: &Guest, workload: Workload, seconds: u64) -> Result<Load> {
        let connections = workload.connections;
        let threads = self.threads.min(connections);
        let mut command = guest.namespace().command("wrk");
        command
            .arg(format!("-t{threads}"))
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .args(["--timeout", "5s", "-s"])
            .arg(self.directory.path().join("summary.lua"));
        if !workload.keep_alive {
            command.args(["-H", "Connection: close"]);
        }
        let text = process::read(command.arg(URL))?;
        let summary = text.lines().find(|line| line.starts_with('{'));
        let summary = summary.with_context(|| format!("wrk printed no summary: {text}"))?;
        let load: Load = serde_json::from_str(summary)?;
        if !workload.may_fail {
            load.check()?;
        }
        Ok(load)
    }
}

impl Load {
    /// Successful requests a second.
    pub(super) fn rate(&self) -> f64 {
        (self.requests - self.failed()) / self.seconds
    }

    /// The share of requests that failed, from 0 to 1.
    pub(super) fn failed_share(&self) -> f64 {
        self.failed() / self.requests.max(1.0)
    }

    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    fn failed(&self) -> f64 {
        (self.errors.status + self.errors.timeout) as f64
    }

    fn check(&self) -> Result<()> {
        let Errors {
            connect,
            read,
            write,
            timeout,
            status,
        } = self.errors;
        ensure!(
            connect + read + write + timeout + status == 0,
            "of {} requests, some failed: {connect} at connect, {read} at read, {write} at \
             write, {timeout} by timeout, {status} by status",
            self.requests
        );
        ensure!(self.requests > 0.0, "no request was answered");
        Ok(())
    }
}
