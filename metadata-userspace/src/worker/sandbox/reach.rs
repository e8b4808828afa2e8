//! What can be reached by calls that are allowed: files, servers, other processes.
//!
//! Landlock knows these by name, where a filter of system calls sees numbers. Kernels
//! know more or less of it (5.13: files; 6.7: TCP; 6.12: signals and abstract sockets);
//! what one knows is used.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, make_bitflags,
};

use super::SandboxError;
use crate::config::{Config, Servers};

/// The newest that this was tried with; what later ones add is not handled.
const KNOWN: ABI = ABI::V6;

/// Leaves to this thread, and to those that it makes, the directory of passwords if the
/// embedded API keeps some, and the ports of the configuration's servers. Returns the ABI
/// that holds.
pub(super) fn restrict(config: &Config) -> Result<u32, SandboxError> {
    let ports = Servers::of(config).ports();
    let mut handled = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(KNOWN))?;
    if ports.is_some() {
        handled = handled.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut ruleset = handled.create()?;
    for port in ports.into_iter().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    if config.api.embedded {
        let directory = PathFd::new(&config.api.password_dir)?;
        ruleset = ruleset.add_rule(PathBeneath::new(directory, to_keep_passwords()))?;
    }
    Ok(abi(&ruleset.restrict_self()?.landlock))
}

fn to_keep_passwords() -> BitFlags<AccessFs> {
    // The directory itself is opened as well, to be synced.
    make_bitflags!(AccessFs::{ReadFile | WriteFile | ReadDir | MakeReg | RemoveFile})
}

fn abi(status: &LandlockStatus) -> u32 {
    match status {
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
        LandlockStatus::Available { effective_abi, .. } => *effective_abi as u32,
    }
}
