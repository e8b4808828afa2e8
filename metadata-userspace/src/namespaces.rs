//! Which namespaces are served, and bringing each to what it should be.
//!
//! [`watch`] tells what happens in the directory of namespaces and in the
//! namespaces themselves; [`plan`] decides, as pure functions over snapshots;
//! [`served`] carries out, one namespace at a time; [`registry`] holds them.

pub mod listener;
pub mod monitor;
pub mod plan;
pub mod registry;
pub mod role;
pub mod served;
pub mod watch;
