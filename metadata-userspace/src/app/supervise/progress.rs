//! What follows once all namespaces have been looked at: the service manager hears of it,
//! and those who served them so far are relieved.

use super::{Namespaces, Supervisor};
use crate::supervisor::worker_process::Command;

/// So many sockets are kept together while more are opened.
const UNKEPT_AT_MOST: usize = 250;

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not all namespaces have been looked at.
    Starting,
    /// The worker was asked to say when it serves them.
    Asked,
    Serving,
    /// The service manager knows, and of how many.
    Reported(usize),
}

impl Supervisor {
    /// What is to be done and said once all namespaces have been looked at.
    pub(super) fn proceed(&mut self) {
        let (served, has_left) = match &mut self.namespaces {
            Some(Namespaces { registry, .. }) if registry.has_work() => {
                // For whoever is killed before all have been looked at.
                if registry.unkept() >= UNKEPT_AT_MOST {
                    self.have_sockets_kept();
                }
                return;
            }
            Some(Namespaces { registry, .. }) => (registry.len(), !registry.left().is_empty()),
            None => (0, false),
        };
        self.have_sockets_kept();
        let manager = self.lineage.service_manager();
        match self.progress {
            Progress::Starting => {
                self.tell_worker(Command::Ready);
                self.progress = Progress::Asked;
                return;
            }
            Progress::Asked => return,
            Progress::Serving => manager.ready(&serving(served)),
            Progress::Reported(before) if before != served => manager.status(&serving(served)),
            Progress::Reported(_) => {}
        }
        self.progress = Progress::Reported(served);
        if !has_left {
            self.lineage.relieve_predecessors();
        }
    }

    pub(super) fn have_sockets_kept(&mut self) {
        if let Some(Namespaces { registry, .. }) = &mut self.namespaces {
            let new = registry.take_unkept();
            self.lineage.leave_proxies(&new, registry.sockets());
        }
    }
}

fn serving(namespaces: usize) -> String {
    format!("Serving {namespaces} namespaces")
}
