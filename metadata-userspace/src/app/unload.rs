//! `metadatad unload`: removes every trace of the datapath from the host.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, anyhow, bail};

use crate::admin::client::{self, AskError};
use crate::config::Config;
use crate::datapath;
use crate::namespaces::role::Selection;
use crate::netlink::NamespaceSocket;
use crate::netns::{Netns, NetnsError};

/// Takes filters and routes out of every namespace that the configuration
/// selects, then the pins. What was already gone is no failure; everything that
/// fails is reported, and the rest goes on.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let socket = &config.admin.socket;
    match client::status(socket).await {
        Err(AskError::NotRunning { .. }) => {}
        Ok(_) => bail!(
            "a daemon answers at {} and would put everything back; stop it first",
            socket.display()
        ),
        // Its worker may serve guests all the same.
        Err(error @ AskError::NoAnswer { .. }) => {
            return Err(anyhow!(error).context("a daemon runs; stop it first"));
        }
    }
    let namespaces = clear_namespaces(config)?;
    datapath::unload_pins(&config.datapath).context("cannot remove the pins")?;
    println!(
        "removed filters and routes from {namespaces} namespaces, and {}",
        config.datapath.bpffs.display()
    );
    Ok(())
}

fn clear_namespaces(config: &Config) -> anyhow::Result<usize> {
    let directory = &config.namespaces.netns_dir;
    let selection = Selection::new(&config.namespaces.globs)?;
    let mut cleared = 0;
    let mut failures = Vec::new();
    for name in names_in(directory)? {
        if selection.role_of(&name).is_none() {
            continue;
        }
        match clear(config, &directory.join(&name)) {
            Ok(was_there) => cleared += usize::from(was_there),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    if !failures.is_empty() {
        bail!(
            "cannot clear these namespaces; run it again:\n  {}",
            failures.join("\n  ")
        );
    }
    Ok(cleared)
}

/// Whether there was a namespace to be cleared.
fn clear(config: &Config, path: &Path) -> anyhow::Result<bool> {
    let Some(netns) = open(path)? else {
        return Ok(false);
    };
    netns.run(|| {
        let netlink = NamespaceSocket::open()?;
        datapath::remove_from_namespace(&config.datapath, &netlink)?;
        Ok(true)
    })?
}

/// None for a name that a namespace does not have yet, or has lost.
fn open(path: &Path) -> Result<Option<Netns>, NetnsError> {
    match Netns::open(path) {
        Err(NetnsError::NotMounted(_)) => Ok(None),
        Err(NetnsError::Open { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn names_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", directory.display()));
        }
    };
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}
