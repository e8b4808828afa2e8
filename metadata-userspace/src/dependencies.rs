//! What the daemon depends on: which of it answers, and since when.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

/// Whether one dependency answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyState {
    pub up: bool,
    /// Seconds since the epoch: when it last became what it is.
    pub since: u64,
    /// What is wrong, and what to do; `None` while it is up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// All dependencies that were heard of. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    states: Arc<Mutex<BTreeMap<&'static str, DependencyState>>>,
    up: Family<[(&'static str, &'static str); 1], Gauge>,
    since: Family<[(&'static str, &'static str); 1], Gauge>,
}

/// One of them, for whoever talks with it.
#[derive(Clone, Debug)]
pub struct Dependency {
    name: &'static str,
    all: Dependencies,
}

impl Dependencies {
    /// With metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let dependencies = Self::default();
        registry.register(
            "dependency_up",
            "Whether a dependency answers",
            dependencies.up.clone(),
        );
        registry.register(
            "dependency_changed_timestamp_seconds",
            "When a dependency last began or ceased to answer",
            dependencies.since.clone(),
        );
        dependencies
    }

    /// Nothing is known of it before it is first up or down.
    pub fn dependency(&self, name: &'static str) -> Dependency {
        Dependency {
            name,
            all: self.clone(),
        }
    }

    pub fn snapshot(&self) -> BTreeMap<String, DependencyState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let owned =
            |(name, state): (&&'static str, &DependencyState)| ((*name).to_owned(), state.clone());
        states.iter().map(owned).collect()
    }

    fn set(&self, name: &'static str, problem: Option<String>) -> Option<Change> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let up = problem.is_none();
        let before = states.get(name);
        let change = match before {
            Some(before) if before.up == up => None,
            Some(before) => Some(Change::After(now().saturating_sub(before.since))),
            None => Some(Change::First),
        };
        let since = match (&change, before) {
            (None, Some(before)) => before.since,
            _ => now(),
        };
        states.insert(name, DependencyState { up, since, problem });
        let label = [("dependency", name)];
        self.up.get_or_create(&label).set(i64::from(up));
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.since.get_or_create(&label).set(since);
        change
    }
}

/// From one state to another.
enum Change {
    First,
    /// Seconds in the state before.
    After(u64),
}

impl Dependency {
    /// It answers.
    pub fn up(&self) {
        match self.all.set(self.name, None) {
            Some(Change::First) => tracing::info!(dependency = self.name, "up"),
            Some(Change::After(seconds)) => {
                tracing::info!(dependency = self.name, after_seconds = seconds, "up again");
            }
            None => {}
        }
    }

    /// `None`: nothing was heard of it yet.
    pub fn is_up(&self) -> Option<bool> {
        let states = self.all.states.lock();
        let states = states.unwrap_or_else(PoisonError::into_inner);
        states.get(self.name).map(|state| state.up)
    }

    /// It does not answer, or not as it should.
    pub fn down(&self, problem: &impl Display) {
        let problem = problem.to_string();
        if self.all.set(self.name, Some(problem.clone())).is_some() {
            tracing::warn!(dependency = self.name, "down: {problem}");
        }
    }
}

fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_state_tells_what_is_wrong_and_the_time_only_moves_with_a_change() {
        let dependencies = Dependencies::default();
        let nova = dependencies.dependency("nova");
        assert!(dependencies.snapshot().is_empty());
        nova.down(&"refused");
        let first = dependencies.snapshot().get("nova").unwrap().clone();
        assert!(!first.up && first.since > 1_700_000_000);
        nova.down(&"no answer");
        let second = dependencies.snapshot().get("nova").unwrap().clone();
        assert_eq!(second.problem.as_deref(), Some("no answer"));
        assert_eq!(second.since, first.since);
        nova.up();
        let third = dependencies.snapshot().get("nova").unwrap().clone();
        assert!(third.up && third.problem.is_none());
    }
}
