//! Where operators ask: `/status`, `/metrics` and `/ready` over a unix socket,
//! and the same at `[metadatad] metrics_listen`.

pub mod client;
pub mod collector;
pub mod server;
