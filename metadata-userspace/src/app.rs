//! Composition root: from a command line to what it does.

pub mod api;
pub mod check;
mod inventory_file;
pub mod lineage;
pub mod listeners;
pub mod passwords;
mod random_secret;
pub mod run;
mod signals;
pub mod status;
pub mod supervise;
pub mod unload;
pub mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::task::LocalSet;

use crate::cli::{Command, ConfigArgs};
use crate::config::{Config, ConfigSources};
use crate::logging::{self, LogOptions};
use crate::supervisor::restraint;
use crate::{open_files, shim};

/// Does what the command says; the exit code is that of the process.
pub fn main(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { config, verify } => {
            restraint::take()?;
            let config = load(config, None)?;
            if verify {
                run::verify(config)?;
            } else {
                on_this_thread(run::run(start(config)?))?;
            }
        }
        Command::Api {
            config,
            listen,
            inventory,
            verify,
        } => {
            restraint::take()?;
            let config = listen_at(load(config, inventory)?, listen);
            if verify {
                api::verify(config)?;
            } else {
                on_this_thread(api::run(start(config)?))?;
            }
        }
        Command::Status { config, json } => {
            on_this_thread(status::run(&load(config, None)?.admin.socket, json))?;
        }
        Command::Unload { config } => on_this_thread(unload::run(&load(config, None)?))?,
        Command::Check {
            options: true,
            json,
            ..
        } => check::print_options(json)?,
        Command::Check {
            config: ConfigArgs(from),
            json,
            ..
        } => {
            return check::run(
                &ConfigSources {
                    from,
                    inventory: None,
                },
                json,
            );
        }
        Command::Haproxy { options } => return Ok(shim::run(&options)),
        Command::Worker { uid, gid } => worker::run(uid, gid)?,
        Command::Holder { uid, gid } => worker::hold(uid, gid)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(ConfigArgs(from): ConfigArgs, inventory: Option<PathBuf>) -> anyhow::Result<Config> {
    Ok(Config::load(&ConfigSources { from, inventory })?)
}

/// The supervisor and all clients have one thread: it enters namespaces, and
/// another would not come along.
fn on_this_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = LocalSet::new().block_on(&runtime, work);
    // Dropped, it would wait for name servers that are asked and do not answer.
    runtime.shutdown_background();
    done
}

/// What a daemon does before anything else.
fn start(config: Config) -> anyhow::Result<Config> {
    logging::init(LogOptions {
        debug: config.debug,
        access_log: config.proxy.access_log,
    })?;
    let limit = open_files::raise_limit().context("cannot raise the limit of open files")?;
    tracing::debug!(limit, "open files");
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    Ok(config)
}

fn listen_at(mut config: Config, listen: Option<SocketAddr>) -> Config {
    if let Some(address) = listen {
        config.nova.host = address.ip().to_string();
        config.nova.port = address.port();
    }
    config
}
