//! What is paid by traffic that is not metadata: packets that a router forwards from one
//! guest to another.

mod clock;
mod lanes;
mod packets;
mod rules;
mod stream;
mod table;
mod turns;

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use self::clock::Clock;
use self::lanes::Lane;
use self::packets::Packets;
use self::stream::Stream;
use self::turns::{Runner, Sample};
use super::rounds::Plan;
use super::statistics::{Spread, median};

/// Packets a second with our programs, of those with nothing.
const AIM: f64 = 0.98;

const SENDER: &str = "the sender alone";

const NOTES: &[&str] = &[
    "a router between two guests, made anew in each round; one processor sends, forwards and \
     receives; a turn is a burst of each, ratios and differences are medians of those within a turn",
    "UDP: frames of 60 bytes by sendmmsg(2), dropped and counted at the other guest's interface, \
     since they bear nobody's MAC; the sender alone: the same as far as the router's interface",
    "TCP: one thread writes and reads by turns, with segmentation offload as between guests of a host",
    "Neutron's metadata rules: those which steer, mark and never let metadata out; all: those with \
     which the l3-agent fills the namespace of a router without an external network",
    "nothing is nothing in this namespace: on a host where no filter and no rule is anywhere, the \
     kernel saves some more nanoseconds",
];

/// All rounds of a contender.
#[derive(Clone, Debug, Serialize)]
struct Series {
    name: &'static str,
    aim: Option<f64>,
    samples: Vec<Sample>,
}

/// Every contender with the same traffic.
#[derive(Clone, Debug, Serialize)]
struct Case {
    traffic: Traffic,
    series: Vec<Series>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Neighbours {
    notes: &'static [&'static str],
    clock: Clock,
    cases: [Case; 2],
}

/// Makes everything anew in each round, because what lies where in memory counts too.
///
/// # Errors
/// When a contender cannot be made, or loses packets.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<Neighbours> {
    let mut clock = None;
    let mut cases = Traffic::ALL.map(Case::new);
    for round in 0..plan.rounds {
        eprintln!("      round {}", round + 1);
        let lanes = lanes::all(binary)?;
        let time = Duration::from_secs(plan.seconds);
        alone(|| {
            let nothing = lanes.first().context("no contender")?;
            let clock = match clock {
                Some(clock) => clock,
                None => *clock.insert(Clock::of_this_kernel(nothing)?),
            };
            cases
                .iter_mut()
                .try_for_each(|case| case.measure(&lanes, clock, time))
        })?;
    }
    Ok(Neighbours {
        notes: NOTES,
        clock: clock.context("no round")?,
        cases,
    })
}

/// Calls `work` on a thread of its own, which does not leave its processor.
fn alone<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            clock::stay_on_one_processor()?;
            work()
        });
        let measured = measuring.join();
        measured.map_err(|_| anyhow!("the measuring thread panicked"))?
    })
}

/// What passes the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Traffic {
    SmallPackets,
    Stream,
}

impl Traffic {
    const ALL: [Self; 2] = [Self::SmallPackets, Self::Stream];

    fn name(self) -> &'static str {
        match self {
            Self::SmallPackets => "small UDP packets of one flow",
            Self::Stream => "one TCP stream",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::SmallPackets => "packet",
            Self::Stream => "KiB",
        }
    }

    /// Those of the lanes in their order, and with packets the sender alone.
    fn runners(self, lanes: &[Lane], clock: Clock) -> Result<Vec<Runner>> {
        let of_lane = |lane| self.runner(lane, clock);
        let mut runners = lanes.iter().map(of_lane).collect::<Result<Vec<_>>>()?;
        if let (Self::SmallPackets, Some(nothing)) = (self, lanes.first()) {
            let mut packets = Packets::not_forwarded(nothing, clock)?;
            runners.push(Runner {
                name: SENDER,
                aim: None,
                burst: Box::new(move || packets.burst()),
            });
        }
        Ok(runners)
    }

    fn runner(self, lane: &Lane, clock: Clock) -> Result<Runner> {
        let name = lane.name;
        Ok(match self {
            Self::SmallPackets => {
                let mut packets = Packets::forwarded(lane, clock)?;
                Runner {
                    name,
                    aim: lane.is_ours.then_some(AIM),
                    burst: Box::new(move || packets.burst()),
                }
            }
            Self::Stream => {
                let mut stream = Stream::open(lane, clock)?;
                Runner {
                    name,
                    aim: None,
                    burst: Box::new(move || stream.burst()),
                }
            }
        })
    }
}

impl Case {
    fn new(traffic: Traffic) -> Self {
        Self {
            traffic,
            series: Vec::new(),
        }
    }

    /// Adds a round.
    fn measure(&mut self, lanes: &[Lane], clock: Clock, time: Duration) -> Result<()> {
        let mut runners = self.traffic.runners(lanes, clock)?;
        let samples = turns::take(&mut runners, time)?;
        if self.series.is_empty() {
            self.series.extend(runners.iter().map(Series::new));
        }
        for (series, sample) in self.series.iter_mut().zip(samples) {
            series.samples.push(sample);
        }
        Ok(())
    }
}

impl Series {
    fn new(runner: &Runner) -> Self {
        Self {
            name: runner.name,
            aim: runner.aim,
            samples: Vec::new(),
        }
    }

    fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value))
    }

    fn rate_ratio(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.rate_ratio))
    }
}
