//! Whether a server's copy of a database can be used (ovsdb-server(5), `_Server`).

use uuid::Uuid;

use super::replica::{Replica, Row, TableSpec};

/// The database in which a server tells about its databases.
pub(super) const DATABASE: &str = "_Server";

pub(super) const TABLES: &[TableSpec] = &[TableSpec {
    name: TABLE,
    required: &["name"],
    optional: &["model", "connected", "leader", "index", "cid"],
}];

const TABLE: &str = "Database";

/// Why another server has to be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the server does not have the database {0}, but others")]
    Missing(&'static str),
    #[error("the server is not connected to its cluster now")]
    Disconnected,
    #[error("the server's data is older than what another of its cluster had")]
    Behind,
}

/// The newest entry of a cluster's log that was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    cluster: Option<Uuid>,
    index: i64,
}

impl Newest {
    /// Judges a server. Followers will do: they pass transactions on to their
    /// leader. Neutron's agent takes them too (`leader_only=False` in
    /// neutron/agent/ovn/metadata/ovsdb.py).
    pub(super) fn judge(&mut self, database: &'static str, server: &Replica) -> Result<(), Unfit> {
        let mut rows = server.rows(TABLE).map(|(_, row)| row);
        let row = rows
            .find(|row| row.text("name") == database)
            .ok_or(Unfit::Missing(database))?;
        match row.text("model") {
            "clustered" => self.judge_member(row),
            "relay" => connected(row),
            _ => Ok(()),
        }
    }

    fn judge_member(&mut self, row: &Row) -> Result<(), Unfit> {
        connected(row)?;
        let here = Self {
            cluster: row.reference("cid"),
            index: row.integer("index"),
        };
        if here.cluster == self.cluster && here.index < self.index {
            return Err(Unfit::Behind);
        }
        *self = here;
        Ok(())
    }
}

fn connected(row: &Row) -> Result<(), Unfit> {
    match row.boolean("connected") {
        Some(true) => Ok(()),
        _ => Err(Unfit::Disconnected),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resolver::ovn::ovsdb::replica::Form;
    use crate::resolver::ovn::ovsdb::schema::Column;

    const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

    fn judge(newest: &mut Newest, row: &Value) -> Result<(), Unfit> {
        let names = ["name", "model", "connected", "leader", "index", "cid"];
        let column = |name| Column {
            name,
            several: false,
        };
        let mut server = Replica::default();
        let columns = [(TABLE, names.map(column).into())].into();
        let update = json!({TABLE: {ID: {"initial": row}}});
        server.replace(&columns, Form::Update2, &update).unwrap();
        newest.judge("OVN_Southbound", &server)
    }

    fn member(connected: bool, index: i64) -> Value {
        json!({"name": "OVN_Southbound", "model": "clustered", "connected": connected,
               "leader": false, "index": index, "cid": ["uuid", ID]})
    }

    #[test]
    fn standalone_servers_and_connected_followers_will_do() {
        let standalone = json!({"name": "OVN_Southbound", "model": "standalone"});
        assert_eq!(judge(&mut Newest::default(), &standalone), Ok(()));
        assert_eq!(judge(&mut Newest::default(), &member(true, 5)), Ok(()));
    }

    #[test]
    fn servers_that_lag_behind_will_not() {
        let mut newest = Newest::default();
        assert_eq!(
            judge(&mut newest, &member(false, 5)),
            Err(Unfit::Disconnected)
        );
        assert_eq!(judge(&mut newest, &member(true, 5)), Ok(()));
        assert_eq!(judge(&mut newest, &member(true, 4)), Err(Unfit::Behind));
        assert_eq!(judge(&mut newest, &member(true, 6)), Ok(()));
    }

    #[test]
    fn a_server_of_something_else_will_not() {
        let other = json!({"name": "Open_vSwitch", "model": "standalone"});
        assert_eq!(
            judge(&mut Newest::default(), &other),
            Err(Unfit::Missing("OVN_Southbound"))
        );
    }
}
