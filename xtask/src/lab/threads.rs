//! How often processes ran and for how long, thread by thread.

use std::fs;

use anyhow::Result;

/// Since their threads began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    /// How often they began or ceased to run.
    pub switches: u64,
    /// On a processor.
    pub microseconds: f64,
}

impl Ran {
    /// All of them together.
    ///
    /// # Errors
    /// When one of the processes is gone.
    pub fn of<const PROCESSES: usize>(pids: [u32; PROCESSES]) -> Result<Self> {
        let mut sum = Self::default();
        for pid in pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                sum.add(&thread?.path().to_string_lossy())?;
            }
        }
        Ok(sum)
    }

    fn add(&mut self, thread: &str) -> Result<()> {
        let status = fs::read_to_string(format!("{thread}/status"))?;
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        let switches =
            switches.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        self.switches += switches.sum::<u64>();
        // The kernel's Documentation/scheduler/sched-stats.rst: nanoseconds on a processor
        // come first.
        let schedstat = fs::read_to_string(format!("{thread}/schedstat"))?;
        let first = schedstat.split_whitespace().next().unwrap_or_default();
        self.microseconds += first.parse::<f64>()? / 1e3;
        Ok(())
    }
}
