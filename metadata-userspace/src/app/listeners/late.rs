//! A socket that guests can do without, while another program has its address.

use std::net::SocketAddr;
use std::rc::Rc;

use super::wanted::Wanted;
use crate::app::lineage::Lineage;
use crate::supervisor::listeners::Listener;
use crate::supervisor::orders::{ListenerId, ListenerRole};
use crate::supervisor::worker_process::Command;

/// What is tried again until it can be opened.
#[derive(Debug)]
pub struct Late {
    id: ListenerId,
    role: ListenerRole,
    wanted: Wanted,
    problem: anyhow::Error,
}

impl Late {
    pub(super) fn new(
        id: ListenerId,
        role: ListenerRole,
        wanted: Wanted,
        problem: anyhow::Error,
    ) -> Self {
        tracing::error!("{problem:#}; guests are served meanwhile, trying again");
        Self {
            id,
            role,
            wanted,
            problem,
        }
    }

    /// Why it is not there, and what to do.
    pub fn problem(&self) -> String {
        format!("{:#}; trying again", self.problem)
    }

    pub fn address(&self) -> Option<SocketAddr> {
        self.wanted.tcp_address()
    }

    /// What the worker is to be told if it could be opened now.
    pub fn open(&mut self, lineage: &mut Lineage) -> Option<Command> {
        match self.wanted.open_at_once() {
            Ok(socket) => {
                let socket = Rc::new(socket);
                lineage.leave(self.wanted.belonging(&socket), false);
                let role = Rc::new(self.role.clone());
                let listener = Listener { role, socket };
                Some(Command::Open {
                    id: self.id,
                    listener,
                })
            }
            Err(problem) => {
                self.problem = problem;
                None
            }
        }
    }
}
