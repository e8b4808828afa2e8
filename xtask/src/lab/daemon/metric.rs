//! What the daemon counts.

use std::os::unix::net::UnixStream;
use std::str::FromStr;

use anyhow::{Context, Result};

use super::Daemon;
use crate::lab::http;

impl Daemon {
    /// The value of a metric; the name has its labels.
    ///
    /// # Errors
    /// When the daemon does not answer, or has no such metric.
    pub fn metric<T>(&self, name: &str) -> Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let mut stream = UnixStream::connect(self.admin_socket())?;
        let text = http::get(&mut stream, "/metrics", "Connection: close\r\n")?.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value
            .with_context(|| format!("no {name} in {text}"))?
            .parse()?)
    }
}
