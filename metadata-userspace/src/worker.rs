//! The unprivileged process: proxy, agent, embedded API and admin on the
//! sockets that the [supervisor](crate::supervisor) hands over.

pub mod connections;
pub mod host_state;
pub mod names;
pub mod orders;
mod origins;
mod ports;
pub mod privileges;
pub mod sandbox;
pub mod serve;
pub mod threads;
pub mod warden;
