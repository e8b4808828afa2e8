//! Waiting for a file descriptor of any kind.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with this thread's runtime. It should be non-blocking.
pub fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the AsyncFd owns the OwnedFd, which names one open descriptor for
    // as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
