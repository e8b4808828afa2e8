//! Counting what guests saw.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::session::Failure;
use crate::lab::http::Response;

/// Of one guest or of many.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) requests: u64,
    /// Those of them that asked for something again.
    pub(super) retries: u64,
    /// How many answers had which status.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// Interim answers, behind which an answer or nothing came.
    pub(super) interim: u64,
    /// Nothing came within cloud-init's 10 s.
    pub(super) timeouts: u64,
    pub(super) no_connection: u64,
    pub(super) lost: u64,
    /// Seconds until each answer that a guest can use.
    #[serde(skip)]
    pub(super) waits: Vec<f64>,
}

impl Tally {
    pub(super) fn count(&mut self, outcome: &Result<Response, Failure>, waited: Duration) {
        self.requests += 1;
        match outcome {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                if answer.status < 300 {
                    self.waits.push(waited.as_secs_f64());
                }
            }
            Err(Failure::TimedOut) => self.timeouts += 1,
            Err(Failure::NoConnection) => self.no_connection += 1,
            Err(Failure::Lost) => self.lost += 1,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.interim += other.interim;
        self.timeouts += other.timeouts;
        self.no_connection += other.no_connection;
        self.lost += other.lost;
        self.waits.extend(other.waits);
    }

    /// Requests that an operator would be asked about.
    pub(super) fn errors(&self) -> u64 {
        let of_servers = self
            .statuses
            .range(400..)
            .filter(|(status, _)| **status != 404);
        let answered: u64 = of_servers.map(|(_, count)| count).sum();
        answered + self.timeouts + self.no_connection + self.lost
    }
}
