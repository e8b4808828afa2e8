//! The privileged process: owns namespaces, links and every listening socket,
//! and reads no byte that comes in through one.
//!
//! It hands the sockets to a [worker](crate::worker) without any privilege and
//! replaces one that dies. Connections wait in the sockets' backlog meanwhile.

pub mod activity;
pub mod adoption;
pub mod broker;
pub mod control;
mod dispatch;
pub mod held;
pub mod holder;
pub mod inherited;
mod kill;
pub mod listeners;
pub mod look_ups;
pub mod orders;
pub mod orphans;
mod pause;
pub mod predecessor;
pub mod restraint;
pub mod retired;
pub mod service_manager;
pub mod sockets;
pub mod spawn;
pub mod succession;
pub mod successor;
mod unix_table;
pub mod vigil;
pub mod wills;
pub mod worker_process;
