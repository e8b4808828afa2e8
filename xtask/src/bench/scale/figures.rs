//! What was measured, for each number of routers.

use serde::Serialize;

/// Everything, with what it means.
#[derive(Clone, Debug, Serialize)]
pub(in crate::bench) struct Scale {
    pub(super) notes: &'static [&'static str],
    pub(super) metadatad: Vec<Figures>,
    pub(super) haproxy: Vec<Haproxies>,
}

/// metadatad with so many routers.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) routers: usize,
    /// KiB of the kernel's for a namespace with its interface, without us.
    pub(super) namespace_kib: f64,
    /// From the start of the process to the answer in the last router.
    pub(super) cold_start_seconds: f64,
    /// CPU time of all processes until then.
    pub(super) cold_start_cpu_seconds: f64,
    /// From a namespace's name to its guest's first answer, milliseconds.
    pub(super) newcomer_p50_ms: f64,
    pub(super) newcomer_p99_ms: f64,
    pub(super) supervisor: Process,
    pub(super) worker: Process,
    pub(super) holder: Process,
    pub(super) warden: Process,
    /// KiB by which the kernel's memory grew when all were served.
    pub(super) kernel_kib: f64,
    /// All processes' private memory and the kernel's, beyond those with the smallest
    /// number of routers.
    pub(super) kib_per_further_router: Option<f64>,
    pub(super) idle: Idle,
    pub(super) status_ms: f64,
    pub(super) scrape_ms: f64,
}

/// One of our processes, when all are served.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Process {
    pub(super) rss_kib: u64,
    pub(super) private_kib: u64,
    pub(super) open_files: usize,
}

/// All processes while nobody asks for anything.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Idle {
    pub(super) seconds: u64,
    /// Times that one of their threads went to sleep, or was sent.
    pub(super) switches_per_second: f64,
    pub(super) cpu_us_per_second: f64,
}

/// haproxy, one for each router.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Haproxies {
    pub(super) routers: usize,
    pub(super) seconds_to_start: f64,
    pub(super) kib_per_router: f64,
    pub(super) processes: usize,
}

impl Figures {
    /// Memory of ours for each router beyond those of `fewer`.
    #[allow(clippy::cast_precision_loss, reason = "KiB of some processes")]
    pub(super) fn kib_per_router_beyond(&self, fewer: &Self) -> f64 {
        let ours = |figures: &Self| {
            let Self {
                supervisor,
                worker,
                holder,
                warden,
                ..
            } = figures;
            let processes = [supervisor, worker, holder, warden];
            let private: u64 = processes.map(|process| process.private_kib).iter().sum();
            private as f64 + figures.kernel_kib
        };
        (ours(self) - ours(fewer)) / self.routers.saturating_sub(fewer.routers).max(1) as f64
    }
}
