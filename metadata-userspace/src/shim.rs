//! haproxy's place in Neutron's namespaces: what its agents start as `haproxy -f FILE`
//! is us, if we are linked under that name on their PATH.
//!
//! A shim reads what Neutron wrote for haproxy ([`order`]), registers the namespace it
//! runs in with the daemon ([`connection`], [`door`]), goes to the background as
//! haproxy does, and waits ([`waiting`]) until it is ended: the namespace is served as
//! long as it lives.

mod background;
pub mod command_line;
mod connection;
pub mod door;
mod handover;
pub mod order;
mod process;
pub mod protocol;
mod report;
mod waiting;

pub use process::run;

use std::ffi::OsString;
use std::path::Path;

/// The arguments, if this program was called by haproxy's name.
pub fn arguments_of_haproxy() -> Option<Vec<OsString>> {
    let mut arguments = std::env::args_os();
    let name = arguments.next()?;
    (Path::new(&name).file_name()? == "haproxy").then(|| arguments.collect())
}
