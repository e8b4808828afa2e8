//! The metadatad daemon, by the way a request takes through it:
//! [`datapath`] → [`proxy`] → [`agent`] → [`nova`]. See ARCHITECTURE.md.

pub mod accept;
pub mod admin;
pub mod agent;
pub mod api;
pub mod app;
pub mod async_fd;
pub mod body;
pub mod check;
pub mod cli;
pub mod config;
pub mod datapath;
pub mod dependencies;
pub mod eui64;
pub mod first_request;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod hop_by_hop;
pub mod http_url;
pub mod identity;
pub mod inotify;
pub mod interim;
pub mod inventory;
pub mod logging;
pub mod metrics;
pub mod namespaces;
pub mod netlink;
pub mod netns;
pub mod nova;
pub mod open_files;
pub mod origin_form;
pub mod proxy;
pub mod reply;
pub mod resolver;
pub mod rights;
pub mod sharded;
pub mod shim;
pub mod signature;
pub mod status;
pub mod supervisor;
pub mod tcp_tables;
#[cfg(test)]
mod testing;
pub mod turn;
pub mod upstream;
mod within;
pub mod worker;
