//! Where and of what the figures were taken.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{process, repository};

/// Ratios of different machines may be compared, with care; rates may not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Machine {
    processors: usize,
    model: String,
    kernel: String,
    /// Others' load on the machine when the benchmark began.
    load_average: f64,
    /// Of this repository; `-dirty` when files differ from it.
    commit: String,
    versions: Vec<String>,
}

impl Machine {
    /// # Errors
    /// When `/proc` is not mounted.
    pub(super) fn here() -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        Ok(Self {
            processors: thread::available_parallelism()?.get(),
            model: processor_model()?,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim_end()
                .to_owned(),
            load_average: load.parse()?,
            commit: commit(),
            versions: ["haproxy -v", "nginx -v", "wrk -v", "iptables -V"]
                .map(first_line)
                .to_vec(),
        })
    }

    /// A warning when the machine has something else to do.
    pub(super) fn warn_when_busy(&self) {
        if self.load_average > 0.5 {
            eprintln!(
                "warning: the load average is {}: others use this machine, and the figures are \
                 worth little",
                self.load_average
            );
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{} x {}, kernel {}, commit {}; {}. The load generator and the servers share the \
             processors.",
            self.processors,
            self.model,
            self.kernel,
            self.commit,
            self.versions.join("; ")
        )
    }

    pub(super) fn hardware_and_versions(&self) -> String {
        // What follows is an address, or whose copyright it is.
        let names = |line: &String| {
            let name = line.split(" - ").next().unwrap_or_default();
            name.split(" Copyright")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let versions: Vec<_> = self.versions.iter().map(names).collect();
        format!(
            "{} × {}, kernel {}; {}.",
            self.processors,
            self.model,
            self.kernel,
            versions.join("; ")
        )
    }

    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    pub(super) fn load_average(&self) -> f64 {
        self.load_average
    }
}

fn processor_model() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    Ok(model
        .unwrap_or("unknown processor")
        .trim_start_matches([' ', '\t', ':'])
        .to_owned())
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.current_dir(repository::root());
    process::read(git.args(["describe", "--always", "--dirty", "--abbrev=12"]))
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim_end().to_owned())
}

/// Some print their version on standard error, and wrk fails after it.
fn first_line(command_line: &str) -> String {
    let mut words = command_line.split(' ');
    let program = words.next().unwrap_or_default();
    let output = process::output(Command::new(program).args(words));
    let text = output.map(|output| [output.stdout, output.stderr].concat());
    let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
    text.ok()
        .and_then(|text| Some(text.lines().next()?.to_owned()))
        .unwrap_or_else(|| format!("{program} unknown"))
}
