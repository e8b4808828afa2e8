//! Looks at namespaces that take long, during which the supervisor does nothing else.

use std::time::Duration;

/// The kernel takes some milliseconds for all of a look, unless it lets us wait.
const LONG: Duration = Duration::from_secs(1);

/// So that operators see why `status` was slow.
pub(super) fn tell_if_long(name: &str, took: Duration) {
    if took > LONG {
        tracing::warn!(
            namespace = name,
            ?took,
            "the kernel let us wait; whoever deletes many interfaces on this host keeps its lock \
             of network configuration (rtnl)"
        );
    }
}
