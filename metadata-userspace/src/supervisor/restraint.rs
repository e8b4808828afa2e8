//! What the supervisor gives up before it reads anything.

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Uid, setgroups};

#[derive(Debug, thiserror::Error)]
pub enum RestraintError {
    #[error("cannot give up {0}: {1}")]
    Capability(Capability, caps::errors::CapsError),
    #[error("cannot leave the supplementary groups: {0}")]
    Groups(Errno),
    #[error("cannot keep secrets out of core dumps: {0}")]
    Dumps(Errno),
}

/// Let root act on other users' files, and send them signals. The unit leaves none of them;
/// without it the daemon is to be the same.
const OVER_OTHERS: [Capability; 6] = [
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHOWN,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
];

/// Where this process has them, and what it executes would.
const SETS: [CapSet; 4] = [
    CapSet::Bounding,
    CapSet::Inheritable,
    CapSet::Effective,
    CapSet::Permitted,
];

/// Gives up power over other users and their files, and core dumps. To be called before there
/// are other threads.
pub fn take() -> Result<(), RestraintError> {
    prctl::set_dumpable(false).map_err(RestraintError::Dumps)?;
    if !Uid::effective().is_root() {
        return Ok(());
    }
    // Whoever is acted as has these groups too (credentials(7)).
    setgroups(&[]).map_err(RestraintError::Groups)?;
    OVER_OTHERS.into_iter().try_for_each(|capability| {
        give_up(capability).map_err(|error| RestraintError::Capability(capability, error))
    })
}

fn give_up(capability: Capability) -> Result<(), caps::errors::CapsError> {
    for set in SETS {
        if caps::has_cap(None, set, capability)? {
            caps::drop(None, set, capability)?;
        }
    }
    Ok(())
}
