//! The unprivileged process: proxy, agent, embedded API and admin on the
//! sockets that the [supervisor](crate::supervisor) hands over.

pub mod connections;
pub mod host_state;
pub mod orders;
mod origins;
mod ports;
pub mod privileges;
pub mod serve;
pub mod threads;
