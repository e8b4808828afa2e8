//! How many files the daemon may have open, and how many it needs.

use std::fs;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Guests' connections, and what both processes have beside their namespaces.
const BESIDE_NAMESPACES: u64 = 4096;
/// systemd's own hard limit; no more without need.
const USUAL: u64 = 524_288;

/// A namespace's listeners: one for IPv4, and one for each interface.
const EACH: u64 = 3;

/// What each process needs for so many namespaces.
pub fn needed(namespaces: usize) -> u64 {
    let namespaces = u64::try_from(namespaces).unwrap_or(u64::MAX);
    BESIDE_NAMESPACES.saturating_add(namespaces.saturating_mul(EACH))
}

/// Raises this process's limit, and that of its children, as far as it may, and returns
/// it.
pub fn raise_limit() -> Result<u64, Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = reachable(hard);
    // Without CAP_SYS_RESOURCE the hard limit is the end.
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        return Ok(wanted);
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// This process's limit.
pub fn limit() -> Result<u64, Errno> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// What [`raise_limit`] would come to.
pub fn limit_at_run(may_raise: bool) -> u64 {
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    match may_raise {
        true => reachable(hard),
        false => hard,
    }
}

fn reachable(hard: u64) -> u64 {
    let most = fs::read_to_string("/proc/sys/fs/nr_open");
    let most = most.ok().and_then(|most| most.trim_end().parse().ok());
    hard.max(USUAL.min(most.unwrap_or(hard)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_routers_need_more_than_a_login_may_open() {
        assert_eq!(needed(0), 4096);
        assert_eq!(needed(10_000), 34_096);
        assert_eq!(needed(usize::MAX), u64::MAX);
    }

    #[test]
    fn a_limit_is_raised_to_what_was_foretold_and_never_lowered() {
        let (_, before) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let may_raise = caps::has_cap(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_SYS_RESOURCE,
        );
        let foretold = limit_at_run(may_raise.unwrap());
        let raised = raise_limit().unwrap();
        assert_eq!(raised, foretold);
        assert!(raised >= before);
        assert_eq!(
            getrlimit(Resource::RLIMIT_NOFILE).unwrap(),
            (raised, raised)
        );
    }
}
