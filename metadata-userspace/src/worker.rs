//! The unprivileged process: proxy, agent, embedded API and admin on the
//! sockets that the [supervisor](crate::supervisor) hands over.

pub mod host_state;
pub mod orders;
pub mod privileges;
pub mod serve;
pub mod threads;
