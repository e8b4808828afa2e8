//! From lists of system calls to filters that the kernel runs at each call.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::SandboxError;
use super::calls::{self, Needs};

/// System calls, each with the arguments that it is meant with; none: with any.
pub(super) type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// Has them hold for this process and whatever it becomes. There is no way back.
///
/// Since Linux 5.11 the kernel knows by itself what a filter says about a call whose
/// arguments do not matter, and does not run it.
pub(super) fn install(needs: &Needs) -> Result<(), SandboxError> {
    // The stricter answer counts. The second forbids to install a third.
    let fatal = program(
        calls::fatal(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )?;
    let needed = program(calls::needed(needs)?, absent(), SeccompAction::Allow)?;
    apply_filter_all_threads(&fatal)?;
    apply_filter_all_threads(&needed)?;
    Ok(())
}

/// As if the kernel did not have the call. Libraries that try a newer call first, as the
/// C library does with clone3 and statx, then go on with the older one; on EPERM they give
/// up.
fn absent() -> SeccompAction {
    SeccompAction::Errno(libc::ENOSYS.unsigned_abs())
}

fn program(
    calls: Calls,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, SandboxError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(calls, otherwise, then, arch)?;
    Ok(filter.try_into()?)
}
