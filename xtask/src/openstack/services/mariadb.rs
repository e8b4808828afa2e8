//! MariaDB, on a Unix socket only. SQLite fails in Neutron's migrations.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::super::place::Place;
use super::super::service::{Ready, Service};
use crate::process;

pub(in super::super) const NAME: &str = "mariadb";

/// Makes an empty database server's files.
pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    place.once("mariadb", || {
        let data = place.path("mariadb");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir_all(&data)?;
        process::read(
            Command::new("mariadb-install-db")
                .args(["--no-defaults", "--user=root", "--skip-test-db"])
                // Whoever is root on the machine is root there, without password.
                .arg("--auth-root-authentication-method=socket")
                .arg(format!("--datadir={}", data.display())),
        )
        .map(drop)
    })
}

pub(in super::super) fn service(place: &Place) -> Service {
    let command = [
        "mariadbd".to_owned(),
        "--no-defaults".to_owned(),
        "--user=root".to_owned(),
        "--skip-networking".to_owned(),
        // A laboratory may forget its last second when the machine dies.
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
        "--skip-innodb-doublewrite".to_owned(),
        "--max-connections=300".to_owned(),
        format!("--datadir={}", place.text("mariadb")),
        format!("--socket={}", place.text("run/mariadb.sock")),
        format!("--pid-file={}", place.text("run/mariadb.pid")),
    ];
    Service {
        name: NAME,
        command: command.into(),
        environment: Vec::new(),
        files: Vec::new(),
        ready: Ready::Socket(place.path("run/mariadb.sock")),
    }
}

pub(in super::super) fn create_databases(place: &Place) -> Result<()> {
    let statements: String = ["keystone", "neutron", "nova", "nova_api", "nova_cell0"]
        .map(|name| format!("CREATE DATABASE IF NOT EXISTS {name};"))
        .concat();
    execute(place, &statements)
}

/// Executes SQL as root.
pub(in super::super) fn execute(place: &Place, statements: &str) -> Result<()> {
    let mut client = Command::new("mariadb");
    client.arg("--no-defaults");
    client.arg(format!("--socket={}", place.text("run/mariadb.sock")));
    process::read(client.arg(format!("--execute={statements}"))).map(drop)
}

/// What SQLAlchemy calls a database.
pub(in super::super) fn url(place: &Place, database: &str) -> String {
    format!(
        "mysql+pymysql://root@localhost/{database}?unix_socket={}&charset=utf8mb4",
        place.text("run/mariadb.sock")
    )
}
