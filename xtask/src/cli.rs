//! The command line of `cargo xtask`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::lab::bpffs;
use crate::{bench, build, build_and_load, fuzz, kernels, lint, openstack, soak, test};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The commands of this repository"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build target/release/metadatad, with its eBPF object inside
    Build,
    /// Build, then run metadatad, or show it in a laboratory of namespaces
    ///
    /// With `-- --config-file FILE`, runs metadatad with that configuration until
    /// Ctrl-C.
    ///
    /// With nothing, makes a laboratory: a router's namespace, a guest `c1` behind
    /// it at 17.17.17.5, and metadatad with its embedded API. Shows the way of a
    /// request from c1, stays until Ctrl-C, and removes all of it.
    ///
    /// On a host that has /etc/neutron, it asks which of the two: it never steers
    /// the host's own routers unasked.
    BuildAndLoad(build_and_load::Arguments),
    /// Build, then run every test as root
    Test(test::Arguments),
    /// Build, then compare speed and memory with what Neutron uses today
    ///
    /// Each comparison runs in interleaved rounds, and a ratio is the median of
    /// the ratios within the rounds. Without steering, iptables and TC; what each
    /// of these costs packets that are only forwarded; haproxy and metadatad in
    /// front of a constant answer; one router and many. Prints tables, and writes
    /// JSON below target/bench. On an idle machine only: the load generator and
    /// the servers share its processors.
    ///
    /// With `--report`, measures every part, which takes more than an hour, and writes
    /// docs/benchmarks.md with plots; with `--report --only PART` it renews one part. A
    /// part that fails keeps what was measured of it earlier.
    Bench(bench::Arguments),
    /// Look for bytes that break what holds for each reader of bytes from outside
    ///
    /// Builds the targets of fuzz/targets with cargo-fuzz, and runs one after the
    /// other, from the seeds in fuzz/seeds and what it found earlier below
    /// target/fuzz. `cargo xtask test` tries the seeds and thousands of others like
    /// them. Bytes that break something belong into fuzz/seeds once that is mended.
    Fuzz(fuzz::Arguments),
    /// Have routers and guests come and go, and daemons be killed, for an hour
    ///
    /// One daemon is killed, restarted or reloaded every few seconds, another lives all
    /// along; guests ask both. Every 30 s all comes to rest, and memory, open files,
    /// threads, pins, programs and maps are counted. Fails when a request failed that the
    /// end of no killed worker cut off, or took 15 s, or when anything grows, or when the
    /// daemon that lives all along changed a process, closed a guest's connection or
    /// logged an error. Counts are exact in every run; memory is judged by its growth an
    /// hour after the first 6 minutes, and so not in runs below about 13. The table is
    /// written below target/soak.
    Soak(soak::Arguments),
    /// Boot Debian's kernels in an emulator, and serve a guest on each
    ///
    /// Of 5.10, 6.1, 6.12 and the newest to be had, the packages for clouds are
    /// unpacked, never installed, and booted by qemu without hardware
    /// virtualisation to an initramfs with metadatad inside: the verifier takes
    /// every program, filters attach, a guest gets its document, and nothing is
    /// left after `metadatad unload`. Consoles are below target/kernels.
    Kernels(kernels::Arguments),
    /// What such a kernel starts first
    #[command(hide = true)]
    KernelsInside,
    /// Bring up a real OpenStack control plane on this machine, for metadata
    ///
    /// MariaDB, RabbitMQ, Keystone, Neutron with its agents, nova-api-metadata and
    /// the databases of OVN, all on loopback, below target/openstack, with
    /// networks, routers and instances. Instances are network namespaces.
    Openstack(openstack::Arguments),
    /// Check formatting and architecture, and run clippy with warnings as errors
    Lint,
}

/// Runs what the command line asks for; without a subcommand, lists them.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        None => list_commands(),
        Some(Command::Build) => build::run(),
        Some(Command::BuildAndLoad(arguments)) => build_and_load::run(&arguments),
        Some(Command::Test(arguments)) => test::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Fuzz(arguments)) => fuzz::run(&arguments),
        Some(Command::Soak(arguments)) => soak::run(&arguments),
        Some(Command::Kernels(arguments)) => kernels::run(&arguments),
        Some(Command::KernelsInside) => kernels::inside::run(),
        Some(Command::Openstack(arguments)) => openstack::run(&arguments),
        Some(Command::Lint) => lint::run(),
    };
    let tidied = bpffs::unmount_if_unused();
    match outcome.and(tidied) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list_commands() -> Result<()> {
    Ok(Arguments::command().print_help()?)
}
