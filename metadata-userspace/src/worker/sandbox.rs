//! Giving up, for good, whatever the worker does not need: system calls, files, servers.
//!
//! It has no privilege already ([`privileges`](super::privileges)). What is left is what
//! every user of the host may do: read `/etc`, run programs, look for weak spots in rarely
//! used parts of the kernel. A guest that gets hold of the worker cannot.

mod calls;
mod filter;
mod reach;

use std::fs;
use std::io;

use crate::config::{Config, NovaProtocol, ProxyUpstream, Sandboxing};
use crate::status::SandboxState;
use crate::upstream;

/// The option that does without it.
const REMEDY: &str = "[metadatad] sandbox = off serves guests without it";

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox must hold for all threads, and there are {0} already")]
    Threads(usize),
    #[error("cannot count this process's threads: {0}")]
    Uncounted(io::Error),
    #[error("cannot restrict system calls; {REMEDY}: {0}")]
    Seccomp(#[from] seccompiler::Error),
    #[error("cannot make the filters of system calls: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("cannot restrict files and connections; {REMEDY}: {0}")]
    Landlock(#[from] landlock::RulesetError),
    #[error("password_dir: {0}")]
    Passwords(#[from] landlock::PathFdError),
}

/// Confines this process as `config` wants it, and says what holds. Needs to be called
/// before there are threads, and before the first byte of a guest is read.
pub fn enter(config: &Config) -> Result<SandboxState, SandboxError> {
    if config.worker.sandbox == Sandboxing::Off {
        tracing::warn!("the worker has no sandbox ([metadatad] sandbox = off)");
        return Ok(SandboxState::default());
    }
    // Before ABI 8, Landlock confines the calling thread and those that it makes.
    match threads()? {
        1 => {}
        count => return Err(SandboxError::Threads(count)),
    }
    if trusts_the_system(config) {
        upstream::read_system_authorities();
    }
    let landlock = reach::restrict(config)?;
    filter::install(&calls::Needs {
        files: config.api.embedded,
        unix_sockets: matches!(config.proxy.upstream, ProxyUpstream::Unix(_)),
    })?;
    let state = SandboxState {
        seccomp: true,
        landlock,
    };
    tracing::info!(sandbox = %state, "the worker is confined");
    Ok(state)
}

fn threads() -> Result<usize, SandboxError> {
    let tasks = fs::read_dir("/proc/self/task").map_err(SandboxError::Uncounted)?;
    Ok(tasks.count())
}

/// Whether servers are verified by the authorities that the system trusts.
fn trusts_the_system(config: &Config) -> bool {
    let nova = &config.nova;
    let by_nova = nova.protocol == NovaProtocol::Https && !nova.insecure && nova.ca_cert.is_none();
    let keystone = config.keystone.as_ref();
    by_nova || keystone.is_some_and(|keystone| !keystone.insecure && keystone.ca_cert.is_none())
}
