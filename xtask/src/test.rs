//! `cargo xtask test`: every test of the workspace.

use std::process::Command;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::releases::{self, Profile, Release};
use crate::{bpf_toolchain, packages, privilege, process, repository};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run only what these select, for example `--test hotplug` or `-- --nocapture`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS OF CARGO TEST"
    )]
    cargo_test: Vec<String>,
}

/// The suite that runs other releases, too.
const UPGRADES: &str = "restart";

impl Arguments {
    /// Whether a suite is among those that are to run.
    fn selects(&self, suite: &str) -> bool {
        let has = |wanted| self.cargo_test.iter().any(|argument| argument == wanted);
        has(suite) || !(has("--test") || has("--lib"))
    }
}

/// Installs what the suites need, builds, and runs them as root.
///
/// # Errors
/// When something cannot be installed or built, or a test fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut progress = Progress::new(5);
    progress.step("looking for the Debian packages that the suites use");
    packages::install(packages::DEMONSTRATION)?;
    packages::install(packages::TESTS)?;
    packages::unpack(packages::CLOUD_INIT)?;
    progress.step("building the eBPF object");
    bpf_toolchain::build_object(Release::This)?;
    progress.step("building the releases that upgrades are tested with");
    if arguments.selects(UPGRADES) {
        releases::build_others(Profile::Debug)?;
    }
    progress.step("building the tests");
    let mut selections = vec![arguments.cargo_test.clone()];
    if arguments.cargo_test.is_empty() {
        // Only the library: the programs are built for another machine.
        selections.push(
            ["--package", "metadata-ebpf", "--lib"]
                .map(str::to_owned)
                .into(),
        );
    }
    for selection in &selections {
        process::run(cargo_test("--no-run")?.args(selection))?;
    }
    progress.step("running the tests");
    let mut failure = None;
    for selection in &selections {
        failure = process::run(cargo_test("--no-fail-fast")?.args(selection))
            .err()
            .or(failure);
    }
    failure.map_or(Ok(()), Err)
}

/// Cargo runs as the user and what it built as root, so that nothing of root's
/// is left in `target`.
fn cargo_test(option: &str) -> Result<Command> {
    let mut command = repository::cargo();
    if !privilege::is_root() {
        let Some(sudo) = privilege::sudo() else {
            bail!(
                "the suites make namespaces and load programs: run this as root, or install sudo"
            );
        };
        command.args([
            "--config",
            &format!("target.'cfg(all())'.runner = '{sudo}'"),
        ]);
    }
    command.args(["test", option]);
    Ok(command)
}
