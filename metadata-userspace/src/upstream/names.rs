//! What addresses a name has, asked where this process may ask.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::OnceLock;

/// The addresses of one name, when they are known.
pub type LookUp<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Knows the addresses of names.
pub trait Names: Send + Sync {
    /// What `host` is the name of now.
    fn look_up<'a>(&'a self, host: &'a str) -> LookUp<'a>;
}

/// In place of the C library, whose name service is one of the process as well.
static NAMES: OnceLock<Box<dyn Names>> = OnceLock::new();

/// Has names looked up by `names` from now on; the first call in a process counts.
pub fn ask(names: impl Names + 'static) {
    // A second worker in one process would be a test's.
    let _ = NAMES.set(Box::new(names));
}

/// What `host` is the name of, with `port`.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match NAMES.get() {
        Some(names) => {
            let found = names.look_up(host).await?;
            let with_port = found.into_iter().map(|address| (address, port).into());
            Ok(with_port.collect())
        }
        None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
    }
}
