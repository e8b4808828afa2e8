//! A laboratory of network namespaces: routers as Neutron makes them, guests
//! behind them, and the programs around. Whatever is made here is removed when
//! its owner is dropped, on a panic too. Needs root.

pub mod agent_namespace;
pub mod bpffs;
pub mod client;
pub mod clock;
pub mod cloud_init;
pub mod daemon;
pub mod guest;
pub mod haproxy;
pub mod http;
pub mod inventory;
pub mod kills;
pub mod mounts;
pub mod name_server;
pub mod namespace;
pub mod neighbours;
pub mod netns_directory;
pub mod network;
pub mod ovsdb;
pub mod proc;
pub mod programs;
pub mod proxy_socket;
pub mod rabbitmq;
pub mod router;
pub mod running;
pub mod service_manager;
pub mod shim;
pub mod site;
pub mod system_calls;
pub mod tenant;
pub mod threads;
pub mod unique;
pub mod unit_filters;
pub mod wait;
