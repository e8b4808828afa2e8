//! What the unit's filters leave a daemon: system calls, address families and namespaces, as
//! systemd.exec(5) says. The order in which systemd installs them makes no difference.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::libc;
use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use super::daemon::Surroundings;
use crate::process;

const UNIT: &str = include_str!("../../../dist/metadatad.service");

/// By its number, since the C library's names of families are no text.
const FAMILIES: [(&str, i32); 4] = [
    ("AF_UNIX", libc::AF_UNIX),
    ("AF_INET", libc::AF_INET),
    ("AF_INET6", libc::AF_INET6),
    ("AF_NETLINK", libc::AF_NETLINK),
];

/// All kinds of namespaces but that which the unit leaves.
const OTHER_NAMESPACES: [i32; 6] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
];

/// Ready to be installed.
pub struct UnitFilters(Vec<BpfProgram>);

impl UnitFilters {
    /// From the unit, whose sets of system calls `systemd-analyze` knows.
    ///
    /// # Errors
    /// When the unit says something that is not known here.
    pub fn of_the_unit() -> Result<Self> {
        let programs = [system_calls()?, families()?, namespaces()?];
        let programs = programs.iter().map(compile);
        Ok(Self(programs.collect::<Result<_>>()?))
    }
}

impl fmt::Debug for UnitFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnitFilters")
    }
}

impl Surroundings for UnitFilters {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let programs = self.0.clone();
        let install = move || {
            let mut programs = programs.iter();
            programs
                .try_for_each(|program| apply_filter(program))
                .map_err(io::Error::other)
        };
        // SAFETY: system calls, and an allocation when one fails, which glibc's fork leaves
        // possible.
        unsafe { command.pre_exec(install) };
        Ok(())
    }
}

/// Everything is refused that is not among what is allowed.
fn system_calls() -> Result<Value> {
    let mut allowed = BTreeSet::new();
    for line in settings("SystemCallFilter") {
        match line.strip_prefix('~') {
            Some(denied) => {
                let denied = expand(denied)?;
                allowed.retain(|call| !denied.contains(call));
            }
            None => allowed.extend(expand(line)?),
        }
    }
    let errno = setting("SystemCallErrorNumber")?;
    ensure!(
        errno == "EPERM",
        "SystemCallErrorNumber={errno} is not tried"
    );
    let known = allowed.iter().filter(|call| is_known(call));
    let rules: Vec<Value> = known.map(|call| json!({ "syscall": call })).collect();
    ensure!(
        rules.len() > 100,
        "not even {} calls are known",
        rules.len()
    );
    Ok(filter(
        &json!({ "errno": libc::EPERM }),
        &json!("allow"),
        &rules,
    ))
}

fn families() -> Result<Value> {
    let mut conditions = Vec::new();
    for name in setting("RestrictAddressFamilies")?.split_whitespace() {
        let family = FAMILIES.iter().find(|(known, _)| *known == name);
        let (_, number) = family.with_context(|| format!("{name} is not tried"))?;
        conditions.push(condition(0, &json!("ne"), *number));
    }
    let other = json!({ "syscall": "socket", "args": conditions });
    Ok(except(libc::EAFNOSUPPORT, &[other]))
}

fn namespaces() -> Result<Value> {
    let left = setting("RestrictNamespaces")?;
    ensure!(left == "net", "RestrictNamespaces={left} is not tried");
    let mut rules = vec![rule("setns", condition(1, &json!("eq"), 0))];
    for flag in OTHER_NAMESPACES {
        let has = json!({ "masked_eq": flag });
        for (call, argument) in [("unshare", 0), ("clone", 0), ("setns", 1)] {
            rules.push(rule(call, condition(argument, &has, flag)));
        }
    }
    Ok(except(libc::EPERM, &rules))
}

/// Calls, by names of calls and of sets of them.
fn expand(names: &str) -> Result<BTreeSet<String>> {
    let mut calls = BTreeSet::new();
    for name in names.split_whitespace() {
        if !name.starts_with('@') {
            calls.insert(name.to_owned());
            continue;
        }
        let mut show = Command::new("systemd-analyze");
        let shown = process::read(show.args(["syscall-filter", "--no-pager", name]))?;
        for line in shown.lines().skip(1).map(str::trim) {
            if !line.starts_with('#') {
                calls.append(&mut expand(line)?);
            }
        }
    }
    Ok(calls)
}

/// systemd passes over what this machine's processor does not have, too.
fn is_known(call: &str) -> bool {
    let only = [json!({ "syscall": call })];
    compile(&filter(
        &json!({ "errno": libc::EPERM }),
        &json!("allow"),
        &only,
    ))
    .is_ok()
}

fn except(errno: i32, rules: &[Value]) -> Value {
    filter(&json!("allow"), &json!({ "errno": errno }), rules)
}

fn filter(otherwise: &Value, then: &Value, rules: &[Value]) -> Value {
    json!({ "unit": { "mismatch_action": otherwise, "match_action": then, "filter": rules } })
}

fn rule(call: &str, condition: Value) -> Value {
    json!({ "syscall": call, "args": [condition] })
}

fn condition(argument: u8, operator: &Value, value: i32) -> Value {
    json!({ "index": argument, "type": "dword", "op": operator, "val": value })
}

fn compile(filter: &Value) -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let programs = compile_from_json(filter.to_string().as_bytes(), arch)?;
    programs.into_values().next().context("no program")
}

fn setting(name: &str) -> Result<&'static str> {
    let value = settings(name).next();
    value.with_context(|| format!("the unit has no {name}="))
}

fn settings(name: &str) -> impl Iterator<Item = &'static str> {
    let lines = UNIT.lines();
    lines.filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}
