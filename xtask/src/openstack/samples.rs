//! Neutron's own option tables, as its packages generate them, against ours:
//! every option that metadatad honours has Neutron's default, and a
//! configuration in which every default is written out is read without a fault.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::place::Place;
use super::python;
use crate::process;

/// What neutron.conf, metadata_agent.ini, l3_agent.ini, dhcp_agent.ini and
/// neutron_ovn_metadata_agent.ini are generated from.
const NAMESPACES: &[&str] = &[
    "neutron",
    "neutron.base.agent",
    "neutron.db",
    "neutron.metadata.agent",
    "neutron.l3.agent",
    "neutron.dhcp.agent",
    "neutron.ovn.metadata.agent",
    "neutron.ml2.ovn",
    "oslo.log",
    "oslo.messaging",
    "oslo.cache",
];

/// Groups that none of these agents reads.
const GROUPS_OF_OURS: &[&str] = &["metadatad", "neutron"];

/// Where ours is another default, and why.
const DIFFERENT_ON_PURPOSE: &[(&str, &str)] = &[
    (
        "metadata_workers",
        "threads, not processes, and one for each CPU",
    ),
    (
        "control_exchange",
        "Neutron's services set it themselves (neutron/common/config.py)",
    ),
    ("host", "the generator prints this machine's name; so do we"),
];

#[derive(Debug, Deserialize)]
struct Ours {
    group: String,
    name: String,
    default: String,
}

/// Installs what generates the samples, compares, and says so.
pub(super) fn run(place: &Place, binary: &Path) -> Result<()> {
    place.make()?;
    python::install(place)?;
    let same = compare(place, binary)?;
    println!("{same} options have Neutron's default, and its sample with all of them is read");
    for (option, reason) in DIFFERENT_ON_PURPOSE {
        println!("   {option} differs: {reason}");
    }
    Ok(())
}

/// Compares; returns how many options were the same.
///
/// # Errors
/// A difference that is not on purpose, or a fault in Neutron's own sample.
pub(super) fn compare(place: &Place, binary: &Path) -> Result<usize> {
    let theirs = generated(place)?;
    let same = compare_defaults(&ours(binary)?, &theirs)?;
    read_sample(place, binary)?;
    Ok(same)
}

fn compare_defaults(ours: &[Ours], theirs: &BTreeMap<(String, String), String>) -> Result<usize> {
    let mut differences = Vec::new();
    let mut same = 0;
    for option in ours {
        let Ours {
            group,
            name,
            default,
        } = option;
        let on_purpose = DIFFERENT_ON_PURPOSE.iter().any(|(known, _)| known == name);
        if GROUPS_OF_OURS.contains(&group.as_str()) || on_purpose {
            continue;
        }
        let key = (group.to_lowercase(), name.replace('-', "_"));
        match theirs.get(&key) {
            Some(value) if value.eq_ignore_ascii_case(default) => same += 1,
            Some(value) => {
                differences.push(format!(
                    "[{group}] {name}: {default:?}, Neutron's {value:?}"
                ));
            }
            None => differences.push(format!("[{group}] {name}: Neutron has no such option")),
        }
    }
    ensure!(
        differences.is_empty(),
        "these options are not Neutron's:\n{}",
        differences.join("\n")
    );
    Ok(same)
}

fn ours(binary: &Path) -> Result<Vec<Ours>> {
    let text = process::read(Command::new(binary).args(["check", "--options", "--json"]))?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}

/// Group and name of each option with its default.
fn generated(place: &Place) -> Result<BTreeMap<(String, String), String>> {
    let file = place.path("samples.json");
    process::read(
        generator(place)
            .args(["--format", "json", "--output-file"])
            .arg(&file),
    )?;
    let document: Value = place.read_json("samples.json")?;
    let groups = document.get("options").and_then(Value::as_object);
    let mut defaults = BTreeMap::new();
    for (group, content) in groups.context("the generator printed no options")? {
        let options = content.get("opts").and_then(Value::as_array);
        for option in options.into_iter().flatten() {
            let name = option.get("dest").and_then(Value::as_str);
            let name = name.context("an option without a name")?.to_owned();
            let value = option.get("default").map(default_text).unwrap_or_default();
            defaults.insert((group.to_lowercase(), name), value);
        }
    }
    Ok(defaults)
}

/// As it would stand in a file.
fn default_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(default_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn generator(place: &Place) -> Command {
    let mut command = python::program(place, "oslo-config-generator");
    for namespace in NAMESPACES {
        command.args(["--namespace", namespace]);
    }
    command
}

/// The sample with every default written out.
fn read_sample(place: &Place, binary: &Path) -> Result<()> {
    let sample = place.path("sample.conf");
    process::read(generator(place).arg("--output-file").arg(&sample))?;
    let text = std::fs::read_to_string(&sample)?;
    let defaults: Vec<String> = text.lines().map(written_out).collect();
    let file = place.write("sample.conf", &defaults.join("\n"))?;
    let mut check = Command::new(binary);
    check.args(["check", "--json", "--config-file"]).arg(&file);
    // Its status also tells of this machine, which is not the question.
    let output = check.output().context("cannot run metadatad")?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let errors = report.get("config_errors").and_then(Value::as_array);
    let errors = errors.context("a report without errors")?;
    ensure!(
        errors.is_empty(),
        "Neutron's own sample is not read: {errors:#?}"
    );
    Ok(())
}

/// `#name = value` without the `#`; what begins with `<` describes a value.
fn written_out(line: &str) -> String {
    let option = line.strip_prefix('#').filter(|rest| {
        let (name, value) = rest.split_once(" = ").unwrap_or(("", ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(is_name) && !value.starts_with('<')
    });
    option.unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_are_written_out() {
        for (line, expected) in [
            ("#metadata_backlog = 4096", "metadata_backlog = 4096"),
            ("# From neutron = this", "# From neutron = this"),
            ("#auth_ca_cert = <None>", "#auth_ca_cert = <None>"),
            ("[DEFAULT]", "[DEFAULT]"),
        ] {
            assert_eq!(written_out(line), expected);
        }
    }
}
