//! `cargo xtask build-and-load`: from a fresh clone to an answered request.

mod demonstration;
mod leftovers;
mod route;

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::{build, packages, privilege};

const NEUTRON: &str = "/etc/neutron";

/// Options of `cargo xtask build-and-load`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Make the laboratory even on a host that has /etc/neutron
    #[arg(long)]
    demo: bool,
    /// Show the request's way, then clean up and exit; also when standard input
    /// is no terminal
    #[arg(long)]
    once: bool,
    /// Take target/release/metadatad as it is
    #[arg(long)]
    no_build: bool,
    /// Arguments of `metadatad run`
    #[arg(last = true, value_name = "ARGUMENTS OF METADATAD RUN")]
    run: Vec<String>,
}

/// Builds, becomes root, and runs the daemon or the demonstration.
///
/// # Errors
/// When something cannot be installed, built or run.
pub fn run(arguments: &Arguments) -> Result<()> {
    let is_demonstration = arguments.run.is_empty();
    if is_demonstration && !arguments.demo && Path::new(NEUTRON).exists() {
        bail!(
            "this host has {NEUTRON}. To serve its routers:\n    \
             cargo xtask build-and-load -- --config-file {NEUTRON}/neutron.conf \
             --config-file {NEUTRON}/metadata_agent.ini\n\
             To see the demonstration beside them (an l3-agent removes unknown \
             routers when it starts):\n    cargo xtask build-and-load --demo"
        );
    }
    let mut progress = Progress::new(if is_demonstration { 5 } else { 2 });
    let binary = build(arguments, is_demonstration, &mut progress)?;
    privilege::become_root(&arguments.as_root())?;
    if is_demonstration {
        let stays = !arguments.once && std::io::stdin().is_terminal();
        return demonstration::run(binary, stays, &mut progress);
    }
    let error = Command::new(&binary).arg("run").args(&arguments.run).exec();
    bail!("cannot start {}: {error}", binary.display());
}

fn build(
    arguments: &Arguments,
    is_demonstration: bool,
    progress: &mut Progress,
) -> Result<PathBuf> {
    progress.step("looking for the Debian packages that are needed");
    if is_demonstration {
        packages::install(packages::DEMONSTRATION)?;
    }
    progress.step("building metadatad");
    build::release_unless(arguments.no_build)
}

impl Arguments {
    /// The same again for the process that is root, where all is built.
    fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["build-and-load".to_owned(), "--no-build".to_owned()];
        let flags = [(self.demo, "--demo"), (self.once, "--once")];
        arguments.extend(
            flags
                .iter()
                .filter(|(given, _)| *given)
                .map(|(_, flag)| (*flag).to_owned()),
        );
        arguments.push("--".to_owned());
        arguments.extend(self.run.iter().cloned());
        arguments
    }
}
