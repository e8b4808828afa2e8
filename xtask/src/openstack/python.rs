//! Neutron, Nova and Keystone from the Python package index, and our helpers
//! that use their own objects.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::addresses;
use super::place::Place;
use super::service::{self, MARK};
use crate::process;

/// The releases, all of them pinned.
const REQUIREMENTS: &str = include_str!("../../openstack/requirements.txt");

/// What the cloud holds: networks, routers, instances.
pub(super) const PLAN: &str = include_str!("../../openstack/plan.json");

const HELPERS: [(&str, &str); 10] = [
    ("lab.py", include_str!("../../openstack/lab.py")),
    ("identity.py", include_str!("../../openstack/identity.py")),
    ("networks.py", include_str!("../../openstack/networks.py")),
    (
        "report_switch.py",
        include_str!("../../openstack/report_switch.py"),
    ),
    ("ports.py", include_str!("../../openstack/ports.py")),
    ("nova_rows.py", include_str!("../../openstack/nova_rows.py")),
    ("instances.py", include_str!("../../openstack/instances.py")),
    (
        "crowd_ports.py",
        include_str!("../../openstack/crowd_ports.py"),
    ),
    (
        "crowd_instances.py",
        include_str!("../../openstack/crowd_instances.py"),
    ),
    (
        "lab_interface.py",
        include_str!("../../openstack/lab_interface.py"),
    ),
];

/// Makes the virtual environment, unless it is there with these releases.
pub(super) fn install(place: &Place) -> Result<()> {
    let mark = place.path("venv/requirements.txt");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    let requirements = place.write("requirements.txt", REQUIREMENTS)?;
    let mut venv = Command::new("/usr/bin/python3");
    process::read(venv.args(["-m", "venv", "--clear"]).arg(place.path("venv")))?;
    let mut pip = Command::new(place.program("pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    process::read(pip.arg(&requirements).stdin(Stdio::null()))
        .context("cannot install OpenStack from the Python package index")?;
    fs::copy(&requirements, &mark)?;
    Ok(())
}

/// Writes the helpers and the facts that they read.
pub(super) fn write_helpers(place: &Place) -> Result<()> {
    for (name, text) in HELPERS {
        place.write(&format!("helpers/{name}"), text)?;
    }
    let facts = json!({
        "directory": place.root(),
        "keystone_url": addresses::keystone_url(),
        "neutron_url": addresses::neutron_url(),
        "admin_password": addresses::ADMIN_PASSWORD,
        "service_password": addresses::SERVICE_PASSWORD,
        "region": addresses::REGION,
        "host": addresses::HOST,
        "plan": serde_json::from_str::<Value>(PLAN)?,
    });
    place.write("conf/facts.json", &facts.to_string()).map(drop)
}

/// Runs a helper with the facts and further arguments; returns what it printed.
pub(super) fn helper(place: &Place, name: &str, arguments: &[&str]) -> Result<String> {
    let mut command = program(place, "python");
    command.arg(place.path(&format!("helpers/{name}.py")));
    command.arg(place.path("conf/facts.json")).args(arguments);
    process::read(&mut command)
}

/// A program of the virtual environment.
pub(super) fn program(place: &Place, name: &str) -> Command {
    let mut command = Command::new(place.program(name));
    command.current_dir(place.root());
    command
        .env("PATH", service::path(place))
        .env(MARK, place.root());
    // Their deprecation warnings concern their own developers.
    command.env("PYTHONWARNINGS", "ignore");
    command
}

/// The pinned release of a project.
pub(super) fn release(project: &str) -> Option<&'static str> {
    let mut lines = REQUIREMENTS.lines();
    lines.find_map(|line| line.strip_prefix(project)?.strip_prefix("=="))
}
