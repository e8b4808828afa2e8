//! The keys in `Chassis_Private` by which Neutron's server sees that a metadata
//! agent is alive on this host (neutron/agent/ovn/metadata/agent.py).
//!
//! The server counts `nb_cfg` up, and every agent is to repeat the number.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::{Uuid, uuid};

use super::ovsdb::{Outcome, Replica, Row, TableSpec};
use super::shared::Host;

pub(super) const CHASSIS: &str = "Chassis_Private";
const GLOBAL: &str = "SB_Global";

/// Optional: before OVN 20.09 there is none, and nobody can be told.
pub(super) const CHASSIS_TABLE: TableSpec = TableSpec {
    name: CHASSIS,
    required: &[],
    optional: &["name", "chassis", "external_ids"],
};

pub(super) const GLOBAL_TABLE: TableSpec = TableSpec {
    name: GLOBAL,
    required: &["nb_cfg"],
    optional: &[],
};

const ID: &str = "neutron:ovn-metadata-id";
const SB_CFG: &str = "neutron:ovn-metadata-sb-cfg";
const BRIDGE: &str = "neutron:ovn-bridge";

/// Those of neutron-ovn-agent, which serves metadata in the place of ours otherwise.
/// Each removes the other's at its start, or both would be listed.
const OTHER_AGENTS: [&str; 3] = [
    "neutron:ovn-neutron-agent-sb-cfg",
    "neutron:description-neutron-agent",
    "neutron:ovn-neutron-agent-id",
];

/// OVN_METADATA_UUID_NAMESPACE: for chassis whose names are no UUIDs (LP 1952550).
const NAMESPACE: Uuid = uuid!("d34bf9f6-da32-4871-9af8-15a4626b41ab");

/// Before a transaction that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Decides when what is written.
pub(super) struct Liveness {
    host: Option<Arc<Host>>,
    /// Longest delay of a number's repetition.
    spread: Duration,
    /// A number from 0 to 1.
    random: fn() -> f64,
    /// The row that has been looked after since the connection began.
    registered: Option<Uuid>,
    ever_registered: bool,
    /// The last number that was repeated.
    repeated: Option<i64>,
    /// When the next one is to be.
    due: Option<Instant>,
    not_before: Option<Instant>,
    /// What holds once the transaction under way has succeeded.
    under_way: Option<Done>,
}

struct Done {
    row: Uuid,
    repeated: Option<i64>,
}

impl Liveness {
    /// `agent_down_time` is when the server thinks that an agent is dead.
    pub(super) fn new(agent_down_time: Duration, random: fn() -> f64) -> Self {
        let least = Duration::from_secs(3);
        Self {
            host: None,
            // All agents of a cloud hear of a number at once; Neutron's spread their
            // answers over the same time.
            spread: (agent_down_time / 3).clamp(least, Duration::from_secs(10)),
            random,
            registered: None,
            ever_registered: false,
            repeated: None,
            due: None,
            not_before: None,
            under_way: None,
        }
    }

    pub(super) fn set_host(&mut self, host: Option<Arc<Host>>) {
        self.host = host;
        self.registered = None;
    }

    /// Rows may be other ones than before.
    pub(super) fn connected(&mut self) {
        self.registered = None;
        self.not_before = None;
        self.under_way = None;
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.under_way {
            // Its outcome comes first.
            Some(_) => None,
            None => self.not_before.or(self.due),
        }
    }

    /// What is to be written now.
    pub(super) fn transaction(&mut self, replica: &Replica, now: Instant) -> Option<Vec<Value>> {
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return None;
        }
        self.not_before = None;
        let Some((host, id, row, nb_cfg)) = self.situation(replica) else {
            self.due = None;
            return None;
        };
        let (remove, mut insert) = match self.registered == Some(id) {
            true => (&[][..], Vec::new()),
            false => registration(&host, row),
        };
        let first = row.value("external_ids", SB_CFG).is_none() || !self.ever_registered;
        let repeats = first || self.is_due(nb_cfg, now);
        let number = nb_cfg.to_string();
        if repeats && row.value("external_ids", SB_CFG) != Some(&number) {
            insert.push((SB_CFG, number));
        }
        let done = Done {
            row: id,
            repeated: repeats.then_some(nb_cfg),
        };
        if remove.is_empty() && insert.is_empty() {
            self.finish(done);
            return None;
        }
        self.under_way = Some(done);
        Some(vec![mutation(id, remove, &insert)])
    }

    /// Who this is, its row, and the number to repeat.
    fn situation<'a>(&self, replica: &'a Replica) -> Option<(Arc<Host>, Uuid, &'a Row, i64)> {
        let host = self.host.clone()?;
        let (id, row) = own(replica, &host.chassis)?;
        let (_, global) = replica.rows(GLOBAL).next()?;
        Some((host, id, row, global.integer("nb_cfg")))
    }

    pub(super) fn transacted(&mut self, outcome: Outcome, now: Instant) {
        let done = self.under_way.take();
        match (outcome, done) {
            (Ok(()), Some(done)) => self.finish(done),
            (Ok(()), None) => {}
            (Err(error), _) => {
                tracing::warn!(%error, "cannot tell Neutron by way of OVN that this agent is alive");
                self.not_before = Some(now + RETRY);
            }
        }
    }

    fn finish(&mut self, done: Done) {
        self.registered = Some(done.row);
        self.ever_registered = true;
        if done.repeated.is_some() {
            self.repeated = done.repeated;
            self.due = None;
        }
    }

    fn is_due(&mut self, nb_cfg: i64, now: Instant) -> bool {
        if self.repeated == Some(nb_cfg) {
            return false;
        }
        let due = *self
            .due
            .get_or_insert_with(|| now + self.spread.mul_f64((self.random)()));
        now >= due
    }
}

fn own<'a>(replica: &'a Replica, chassis: &str) -> Option<(Uuid, &'a Row)> {
    let mut rows = replica.rows(CHASSIS);
    rows.find(|(_, row)| row.text("name") == chassis)
}

/// The row in `Chassis` of the chassis with this name.
pub(super) fn chassis(replica: &Replica, name: &str) -> Option<Uuid> {
    own(replica, name)?.1.reference("chassis")
}

type Pairs = Vec<(&'static str, String)>;

/// Keys to remove and to set.
fn registration(host: &Host, row: &Row) -> (&'static [&'static str], Pairs) {
    let has = |key: &str| row.value("external_ids", key);
    let wanted = [
        (ID, agent_id(&host.chassis).to_string()),
        (BRIDGE, host.bridge.clone()),
    ];
    let differs = |(key, value): &(&str, String)| has(key) != Some(value.as_str());
    let remove: &[&str] = match OTHER_AGENTS.iter().any(|key| has(key).is_some()) {
        true => &OTHER_AGENTS,
        false => &[],
    };
    (remove, wanted.into_iter().filter(differs).collect())
}

fn agent_id(chassis: &str) -> Uuid {
    let id = Uuid::try_parse(chassis);
    let id = id.unwrap_or_else(|_| Uuid::new_v5(&NAMESPACE, chassis.as_bytes()));
    Uuid::new_v5(&id, b"metadata_agent")
}

/// A map takes no second value for a key, so what is there goes first.
fn mutation(row: Uuid, remove: &[&str], insert: &[(&str, String)]) -> Value {
    let keys = remove.iter().chain(insert.iter().map(|(key, _)| key));
    let keys: Vec<_> = keys.collect();
    json!({
        "op": "mutate",
        "table": CHASSIS,
        "where": [["_uuid", "==", ["uuid", row]]],
        "mutations": [
            ["external_ids", "delete", ["set", keys]],
            ["external_ids", "insert", ["map", insert]],
        ],
    })
}

/// From 0 to 1; 0 if the kernel has no randomness to give.
pub(super) fn random() -> f64 {
    let number = getrandom::u32().unwrap_or_default();
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
