//! Which namespaces are served, and bringing each to what it should be.
//!
//! [`watch`] tells what happens in the directory of namespaces and in the
//! namespaces themselves; [`observed`] is a snapshot of one; [`plan`] decides, as pure
//! functions over snapshots; [`served`] carries out, one namespace at a time;
//! [`registry`] holds them; [`keepers`] are the shims
//! that say whether a namespace is served.

mod answerer;
mod handshakes;
mod heard;
pub mod keepers;
pub mod left;
pub mod listener;
pub mod monitor;
pub mod observed;
pub mod plan;
pub mod registry;
mod retiring;
pub mod role;
pub mod served;
mod settle;
pub mod watch;
