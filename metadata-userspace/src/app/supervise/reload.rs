//! A reload: the program is executed anew in its own place, if it says that it could start.

use tokio::task::spawn_local;

use super::Supervisor;
use super::progress::Progress;
use crate::app::listeners::late::Late;
use crate::namespaces::registry::Registry;
use crate::supervisor::successor::NoSuccessor;

/// Whether the program is asked at the moment if it could be executed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    None,
    Running,
    /// Since it began, somebody wanted another.
    Outdated,
}

impl Supervisor {
    /// Asks the program whether it could start with what the files say now.
    pub(super) fn verify_successor(&mut self) {
        if self.verification != Verification::None {
            self.verification = Verification::Outdated;
            return;
        }
        self.verification = Verification::Running;
        let (successor, verdicts) = (self.lineage.successor().clone(), self.verdicts.clone());
        let lacking = self.late.as_ref().and_then(Late::address);
        let held = self.lineage.held().or_lacking(lacking);
        spawn_local(async move {
            // The receiver only goes when the whole supervisor does.
            let _ = verdicts.send(successor.verify(&held).await);
        });
    }

    /// Becomes the new program, unless there is something wrong with it.
    pub(super) fn replace(&mut self, verdict: Result<(), NoSuccessor>) {
        let outdated = self.verification == Verification::Outdated;
        self.verification = Verification::None;
        if outdated {
            return self.verify_successor();
        }
        let problem = match verdict {
            Ok(()) => self.execute_successor(),
            Err(problem) => problem,
        };
        tracing::error!(%problem, "not reloaded; everything goes on as it was");
    }

    fn execute_successor(&mut self) -> NoSuccessor {
        tracing::info!("reloading: the program takes its own place");
        self.have_sockets_kept();
        let registry = self.namespaces.as_ref().map(|all| &all.registry);
        let proxies = registry.into_iter().flat_map(Registry::sockets);
        let worker = self.worker.pid.and_then(|pid| i32::try_from(pid).ok());
        let problem = self.lineage.replace(proxies, worker);
        // The service manager was told otherwise; `proceed` tells it again.
        if let Progress::Reported(_) = self.progress {
            self.progress = Progress::Serving;
        }
        problem
    }
}
