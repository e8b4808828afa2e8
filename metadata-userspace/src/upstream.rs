//! Client connections to whatever stands behind a hop.

mod addresses;
pub mod answer;
mod connect;
mod link;
pub mod names;
mod option_names;
mod pool;
mod stream;
mod tls;

pub use connect::{ConnectError, Connector};
pub use link::Link;
pub use option_names::OptionNames;
pub use pool::Pool;
pub use stream::Stream;
pub use tls::{TlsError, TlsFiles, TlsPaths, client_config, read_system_authorities};
