//! What a comparison found, as data.

use serde::Serialize;

use super::rounds::Comparison;
use super::statistics::Spread;

/// A ratio of rates that is reported, and what it should be at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    of: &'static str,
    to: &'static str,
    keep_alive: bool,
    at_least: Option<f64>,
}

impl Aim {
    pub(super) const fn keep_alive(
        of: &'static str,
        to: &'static str,
        at_least: Option<f64>,
    ) -> Self {
        Self {
            of,
            to,
            keep_alive: true,
            at_least,
        }
    }

    pub(super) const fn connection_per_request(
        of: &'static str,
        to: &'static str,
        at_least: Option<f64>,
    ) -> Self {
        Self {
            of,
            to,
            keep_alive: false,
            at_least,
        }
    }
}

/// A ratio of requests per second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) of: &'static str,
    pub(super) to: &'static str,
    pub(super) value: Spread,
    pub(super) aim: Option<f64>,
}

/// A comparison with its ratios.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Case {
    #[serde(flatten)]
    pub(super) comparison: Comparison,
    pub(super) ratios: Vec<Ratio>,
}

/// One part of the benchmark.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) notes: &'static [&'static str],
    pub(super) cases: Vec<Case>,
    #[serde(skip)]
    aims: &'static [Aim],
}

impl Part {
    pub(super) fn new(
        name: &'static str,
        notes: &'static [&'static str],
        aims: &'static [Aim],
    ) -> Self {
        Self {
            name,
            notes,
            cases: Vec::new(),
            aims,
        }
    }

    pub(super) fn add(&mut self, comparison: Comparison) {
        let keep_alive = comparison.workload.keep_alive;
        let aims = self.aims.iter().filter(|aim| aim.keep_alive == keep_alive);
        let ratios = aims.filter_map(|aim| {
            Some(Ratio {
                of: aim.of,
                to: aim.to,
                value: comparison.ratio(aim.of, aim.to)?,
                aim: aim.at_least,
            })
        });
        self.cases.push(Case {
            ratios: ratios.collect(),
            comparison,
        });
    }
}
