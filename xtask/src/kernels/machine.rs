//! One boot in an emulator: no hardware virtualisation is needed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::report::Report;
use super::{initramfs, inside};
use crate::process;

/// All of it takes half a minute; on a busy machine it may take some.
const LIMIT: Duration = Duration::from_secs(600);

/// So many lines of the console say what happened.
const TAIL: usize = 80;

/// What became of a boot.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) seconds: f64,
    console: PathBuf,
}

/// Boots a kernel and waits until the machine has switched itself off.
///
/// # Errors
/// When the emulator cannot be started.
pub(super) fn boot(kernel: &Path, initramfs: &Path, place: &Path) -> Result<Outcome> {
    let (console, report) = (place.join("console.log"), place.join("report.log"));
    for log in [&console, &report] {
        File::create(log)?;
    }
    let start = Instant::now();
    let mut machine = Command::new("qemu-system-x86_64");
    machine.args([
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        "1024",
    ]);
    machine.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    machine.arg("-kernel").arg(kernel);
    machine.arg("-initrd").arg(initramfs);
    machine.args(["-append", &command_line()]);
    for log in [&console, &report] {
        machine
            .arg("-serial")
            .arg(format!("file:{}", log.display()));
    }
    machine.stdin(Stdio::null());
    process::in_background(&mut machine);
    let mut child = machine.spawn().context("cannot start qemu-system-x86_64")?;
    while child.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            eprintln!("warning: still running after {} s: ended", LIMIT.as_secs());
        }
        sleep(Duration::from_millis(50));
    }
    let text = fs::read(&report)?;
    Ok(Outcome {
        report: Report::parse(&String::from_utf8_lossy(&text)),
        seconds: start.elapsed().as_secs_f64(),
        console,
    })
}

/// Words that the kernel does not know become the environment of init, and what
/// follows `--` its arguments.
fn command_line() -> String {
    format!(
        "console=ttyS0 panic=-1 rdinit=/{} PATH=/usr/sbin:/usr/bin:/sbin RUST_BACKTRACE=1 -- {}",
        initramfs::INIT,
        inside::COMMAND
    )
}

impl Outcome {
    /// Prints what the console said last.
    pub(super) fn explain(&self, name: &str) {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..);
        eprintln!(
            "--- the end of {name}'s console, {}:\n{}\n---",
            self.console.display(),
            tail.unwrap_or_default().join("\n")
        );
    }
}
