//! Log lines on stderr.

pub mod access;
pub mod batch;
pub mod occasionally;

use std::error::Error;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// `debug`: this daemon's debug lines too; never those of its libraries.
    pub debug: bool,
    /// `[metadatad] access_log`: a line for each request.
    pub access_log: bool,
}

/// Starts logging, once a process.
///
/// Lines are written whole, so those of the supervisor and the worker do not mix.
pub fn init(options: LogOptions) -> Result<(), TryInitError> {
    access::enable(options.access_log);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(batch::Stderr)
        // It would say on standard error that it cannot write to standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines)
        .with(filter(options))
        .try_init()
}

/// An error with its causes, for the log.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // thiserror's messages often have their cause in them already.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn filter(options: LogOptions) -> Targets {
    let ours = match options.debug {
        true => LevelFilter::DEBUG,
        false => LevelFilter::INFO,
    };
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("metadatad", ours)
        // It calls a connection that ends an error; what that means is ours to say.
        .with_target("lapin", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn debug_does_not_open_the_libraries() {
        let filter = filter(LogOptions {
            debug: true,
            access_log: true,
        });
        assert!(filter.would_enable("metadatad::proxy", &Level::DEBUG));
        assert!(!filter.would_enable("hyper::proto", &Level::DEBUG));
    }
}
