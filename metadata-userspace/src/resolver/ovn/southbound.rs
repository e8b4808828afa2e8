//! Keeps the index by what the southbound database says.
//!
//! Of `Port_Binding`, only two kinds of rows are fetched: those of this host's
//! chassis and of the networks that these are in, and those of networks that a
//! guest asked through. A host so holds what concerns it, and the database does not
//! send every port of the cloud to every host, which is what slows large clouds down
//! (LP 1893656). ovn-controller narrows its own view down in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::binding::{self, Binding, DATAPATH_TABLE, DATAPATHS, PORT_TABLE, PORTS};
use super::liveness::{self, Liveness};
use super::ovsdb::{Conditions, Outcome, Replica, TableSpec, Touched, Watcher};
use super::shared::{Host, Shared};

const TABLES: &[TableSpec] = &[
    PORT_TABLE,
    DATAPATH_TABLE,
    liveness::CHASSIS_TABLE,
    liveness::GLOBAL_TABLE,
];

pub(super) struct Southbound {
    shared: Arc<Shared>,
    liveness: Liveness,
    host: Option<Arc<Host>>,
    chassis: Option<Uuid>,
    /// Datapaths whose ports are wanted.
    datapaths: BTreeSet<Uuid>,
    conditions: Option<Arc<Conditions>>,
    asked: u64,
}

impl Southbound {
    pub(super) fn new(shared: Arc<Shared>, liveness: Liveness) -> Self {
        Self {
            shared,
            liveness,
            host: None,
            chassis: None,
            datapaths: BTreeSet::new(),
            conditions: None,
            asked: 0,
        }
    }

    /// What others want by now.
    fn look_around(&mut self) {
        let host = self.shared.host.load_full();
        if host != self.host {
            self.liveness.set_host(host.clone());
            self.host = host;
            self.conditions = None;
        }
        self.want(self.shared.take_wanted());
    }

    fn want(&mut self, datapaths: impl IntoIterator<Item = Uuid>) {
        for datapath in datapaths {
            if self.datapaths.insert(datapath) {
                self.conditions = None;
            }
        }
    }

    fn make_conditions(&self) -> Conditions {
        let of_row = |column: &str, id: &Uuid| json!([column, "==", ["uuid", id]]);
        let mut ports: Vec<Value> = self
            .chassis
            .iter()
            .map(|id| of_row("chassis", id))
            .collect();
        ports.extend(self.datapaths.iter().map(|id| of_row("datapath", id)));
        let host = self.host.iter();
        let chassis = host
            .map(|host| json!(["name", "==", host.chassis]))
            .collect();
        BTreeMap::from([(PORTS, ports), (liveness::CHASSIS, chassis)])
    }

    /// Datapaths before ports: a port's network is its datapath's.
    fn index(&mut self, replica: &Replica, touched: &[Touched]) {
        let shared = self.shared.clone();
        let mut index = shared.index_mut();
        let mut rows = BTreeSet::new();
        for touched in of_table(touched, DATAPATHS) {
            let row = replica.row(*touched);
            rows.extend(index.set_network(touched.id, row.and_then(binding::network)));
            if row.is_none() && self.datapaths.remove(&touched.id) {
                self.conditions = None;
            }
        }
        rows.extend(of_table(touched, PORTS).map(|touched| touched.id));
        for id in rows {
            let row = replica.row(Touched { table: PORTS, id });
            let binding = row.and_then(|row| Binding::of(row, |path| index.network(path)));
            let here = binding.as_ref().filter(|b| Some(b.chassis) == self.chassis);
            let datapath = here.map(|binding| binding.datapath);
            index.set_binding(id, binding);
            self.want(datapath);
        }
    }

    fn set_chassis(&mut self, replica: &Replica) {
        let host = self.host.as_deref();
        let chassis = host.and_then(|host| liveness::chassis(replica, &host.chassis));
        if chassis == self.chassis {
            return;
        }
        self.chassis = chassis;
        self.conditions = None;
        self.shared.index_mut().set_chassis(chassis);
    }
}

fn of_table<'a>(touched: &'a [Touched], table: &str) -> impl Iterator<Item = &'a Touched> {
    touched.iter().filter(move |touched| touched.table == table)
}

impl Watcher for Southbound {
    fn database(&self) -> &'static str {
        "OVN_Southbound"
    }

    fn tables(&self) -> &'static [TableSpec] {
        TABLES
    }

    fn conditions(&mut self) -> Arc<Conditions> {
        self.look_around();
        match &self.conditions {
            Some(conditions) => conditions.clone(),
            None => {
                let conditions = Arc::new(self.make_conditions());
                self.conditions.insert(conditions).clone()
            }
        }
    }

    fn connected(&mut self) {
        self.liveness.connected();
        self.shared.standing.send_modify(|standing| {
            standing.problem = None;
            standing.changes += 1;
        });
    }

    fn disconnected(&mut self, reason: &str) {
        self.asked = 0;
        self.shared.standing.send_modify(|standing| {
            standing.problem = Some(reason.to_owned());
            standing.waiting_since = None;
        });
    }

    fn changed(&mut self, replica: &Replica, touched: &[Touched]) {
        self.set_chassis(replica);
        self.index(replica, touched);
        self.shared
            .standing
            .send_modify(|standing| standing.changes += 1);
    }

    fn covered(&mut self, conditions: Option<&Conditions>) {
        let mut index = self.shared.index_mut();
        match conditions {
            None => index.cover_all(),
            Some(conditions) => {
                let clauses = conditions.get(PORTS).into_iter().flatten();
                index.cover(clauses.filter_map(covered_datapath));
            }
        }
        drop(index);
        self.shared
            .standing
            .send_modify(|standing| standing.changes += 1);
    }

    fn question(&mut self) -> u64 {
        let question = self.shared.last_question();
        if question > self.asked {
            self.asked = question;
            self.shared.standing.send_if_modified(|standing| {
                let first = standing.waiting_since.is_none() && question > standing.answered;
                if first {
                    standing.waiting_since = Some(Instant::now());
                }
                first
            });
        }
        question
    }

    fn up_to_date(&mut self, question: u64) {
        self.shared.standing.send_modify(|standing| {
            standing.answered = question;
            standing.as_of = standing.waiting_since.take();
        });
        // A later one has to be passed on now.
        self.asked = question;
    }

    fn transaction(&mut self, replica: &Replica, now: Instant) -> Option<Vec<Value>> {
        self.liveness.transaction(replica, now)
    }

    fn transacted(&mut self, outcome: Outcome) {
        self.liveness.transacted(outcome, Instant::now());
    }

    fn wake_at(&self) -> Option<Instant> {
        self.liveness.wake_at()
    }
}

/// The datapath in a clause for one.
fn covered_datapath(clause: &Value) -> Option<Uuid> {
    if clause.get(0)? != "datapath" {
        return None;
    }
    Uuid::try_parse(clause.pointer("/2/1")?.as_str()?).ok()
}
