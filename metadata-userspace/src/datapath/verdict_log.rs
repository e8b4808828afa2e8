//! The programs' own log lines: one for each verdict about metadata.

use std::io;

use aya::Ebpf;
use aya_log::{EbpfLogger, Level};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::DatapathError;

/// The log level that is compiled into the programs at load time.
pub(super) const fn level(is_on: bool) -> u8 {
    if is_on { Level::Info as u8 } else { 0 }
}

/// The ring buffer that the programs write their lines to.
pub struct VerdictLog {
    logger: EbpfLogger<IntoTracing>,
}

struct IntoTracing;

impl log::Log for IntoTracing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        tracing::info!(target: "metadatad::verdict", "{}", record.args());
    }

    fn flush(&self) {}
}

impl VerdictLog {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, DatapathError> {
        EbpfLogger::init_with_logger(ebpf, IntoTracing)
            .map(|logger| Self { logger })
            .map_err(|error| DatapathError::Log(error.to_string()))
    }

    /// Passes the lines on to `tracing` as they come; ends only by an error.
    pub async fn forward(self) -> io::Result<()> {
        // SAFETY: the logger owns its file descriptor, always returns the same
        // one, and is moved into the AsyncFd, which outlives every use.
        let mut logger =
            unsafe { AsyncFd::register_with_interest(self.logger, Interest::READABLE) }?;
        loop {
            let mut ready = logger.readable_mut().await?;
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}
