//! Giving up every privilege, before the first byte of a guest is read.

use caps::CapSet;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("cannot {0}: {1}")]
    Refused(&'static str, Errno),
    #[error("cannot clear the {0:?} capabilities: {1}")]
    Capabilities(CapSet, caps::errors::CapsError),
    #[error("the {0:?} capabilities are not empty after they were cleared")]
    Kept(CapSet),
}

/// Every set that could give the process, or what it executes, a capability.
const SETS: [CapSet; 5] = [
    CapSet::Bounding,
    CapSet::Ambient,
    CapSet::Inheritable,
    CapSet::Effective,
    CapSet::Permitted,
];

/// Becomes `uid`/`gid` with no group, no capability and no way back.
pub fn drop_all(uid: Uid, gid: Gid) -> Result<(), PrivilegeError> {
    use PrivilegeError::Refused;
    // The bounding set can only be changed while CAP_SETPCAP is effective.
    clear(CapSet::Bounding)?;
    setgroups(&[]).map_err(|errno| Refused("leave the supplementary groups", errno))?;
    setresgid(gid, gid, gid)
        .map_err(|errno| Refused("change the group (metadata_proxy_group)", errno))?;
    setresuid(uid, uid, uid)
        .map_err(|errno| Refused("change the user (metadata_proxy_user)", errno))?;
    drop_capabilities()
}

/// Gives up every capability with no way back, and stays who it is.
pub fn drop_capabilities() -> Result<(), PrivilegeError> {
    use PrivilegeError::{Capabilities, Kept, Refused};
    for set in SETS {
        clear(set)?;
        let left = caps::read(None, set).map_err(|error| Capabilities(set, error))?;
        if !left.is_empty() {
            return Err(Kept(set));
        }
    }
    prctl::set_no_new_privs().map_err(|errno| Refused("set no_new_privs", errno))
}

fn clear(set: CapSet) -> Result<(), PrivilegeError> {
    let left = caps::read(None, set).map_err(|error| PrivilegeError::Capabilities(set, error))?;
    if left.is_empty() {
        return Ok(());
    }
    caps::clear(None, set).map_err(|error| PrivilegeError::Capabilities(set, error))
}
