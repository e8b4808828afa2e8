//! What the time of forwarding is taken from.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

use super::lanes::Lane;
use super::packets::Packets;

/// A clock that runs while packets are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Clock {
    /// CPU time of the sending thread: others on the machine do not change it.
    Thread,
    Wall,
}

impl Clock {
    pub(super) fn now(self) -> Result<Duration> {
        let clock = match self {
            Self::Thread => ClockId::CLOCK_THREAD_CPUTIME_ID,
            Self::Wall => ClockId::CLOCK_MONOTONIC,
        };
        Ok(clock_gettime(clock)?.into())
    }

    /// The better one of this kernel. One that accounts interrupts apart from threads
    /// (`CONFIG_IRQ_TIME_ACCOUNTING`) leaves forwarding out of the thread's time, and what
    /// is forwarded seems to cost no more than what is only sent.
    ///
    /// # Errors
    /// When packets are lost.
    pub(super) fn of_this_kernel(lane: &Lane) -> Result<Self> {
        let sent = Packets::not_forwarded(lane, Self::Thread)?.burst()?;
        let forwarded = Packets::forwarded(lane, Self::Thread)?.burst()?;
        Ok(match forwarded > 1.1 * sent {
            true => Self::Thread,
            false => Self::Wall,
        })
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Thread => "CPU time of the sending thread, in which the kernel forwards",
            Self::Wall => {
                "time on the wall, since this kernel accounts forwarding to no thread: others on \
                 the machine disturb it"
            }
        }
    }
}

/// Binds this thread to the last processor that it may use; the first one takes more
/// interrupts.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn stay_on_one_processor() -> Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let is_allowed = |number: &usize| allowed.is_set(*number).unwrap_or(false);
    let last = (0..CpuSet::count()).rev().find(is_allowed);
    let mut one = CpuSet::new();
    one.set(last.context("this thread may run on no processor")?)?;
    Ok(sched_setaffinity(this_thread, &one)?)
}
