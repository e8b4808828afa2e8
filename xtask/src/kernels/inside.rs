//! The first process of a booted kernel: this very binary. It makes what a
//! system's init makes, tries, and switches the machine off.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::{Pid, getpid};

use super::report::{Record, Step};
use super::trial;
use crate::lab::wait;
use crate::process;

/// The subcommand by which the kernel starts it.
pub(super) const COMMAND: &str = "kernels-inside";

/// The second serial port; the first is the console.
const REPORT: &str = "/dev/ttyS1";

/// An emulated processor is some ten times slower, and the machine may be busy.
const PATIENCE: u32 = 10;

/// Type and place of what is mounted, in this order.
const MOUNTS: &[(&str, &str)] = &[
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("bpf", "/sys/fs/bpf"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
];

/// Tries everything and switches off; returns only when it must not do that.
///
/// # Errors
/// When it is not the first process of a machine.
pub fn run() -> Result<()> {
    if getpid() != Pid::from_raw(1) {
        bail!("this is for the kernels that `cargo xtask kernels` boots");
    }
    wait::be_patient(PATIENCE);
    let outcome = prepare().and_then(|()| Reporter::open());
    match outcome {
        Ok(mut reporter) => trial::run(&mut reporter),
        Err(error) => eprintln!("error: {error:#}"),
    }
    match reboot(RebootMode::RB_POWER_OFF)? {}
}

fn prepare() -> Result<()> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place)?;
        mount(
            Some(*kind),
            *place,
            Some(*kind),
            MsFlags::empty(),
            None::<&str>,
        )
        .with_context(|| format!("cannot mount {place}"))?;
    }
    // iproute2 looks for namespaces in there.
    fs::create_dir_all("/var")?;
    symlink("/run", "/var/run")?;
    process::read(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    Ok(())
}

/// Writes the report.
pub(super) struct Reporter {
    port: File,
}

impl Reporter {
    fn open() -> Result<Self> {
        let port = File::options().write(true).open(REPORT);
        let port = port.with_context(|| format!("cannot open {REPORT}"))?;
        Ok(Self { port })
    }

    /// Does a step and tells how it ended; what it made is kept if it passed.
    pub(super) fn step<T>(&mut self, step: Step, work: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("--- {}", step.name());
        let outcome = work();
        let detail = match &outcome {
            Ok(_) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        let record = Record {
            step,
            passed: outcome.is_ok(),
            detail,
        };
        println!("--- {record}");
        if let Err(error) = writeln!(self.port, "{record}") {
            eprintln!("error: cannot report: {error}");
        }
        outcome.ok()
    }
}
