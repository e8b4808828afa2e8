//! The programs' own log lines: one for each verdict about metadata.

use std::io;
use std::os::fd::AsFd;

use aya::Ebpf;
use aya_log::{EbpfLogger, Level};
use tokio::io::Interest;

use super::error::DatapathError;
use crate::async_fd;

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
    pub async fn forward(mut self) -> io::Result<()> {
        let buffer = self.logger.as_fd().try_clone_to_owned()?;
        let buffer = async_fd::register(buffer, Interest::READABLE)?;
        loop {
            let mut ready = buffer.readable().await?;
            self.logger.flush();
            ready.clear_ready();
        }
    }
}
