//! Prints the way of one request, hop by hop, and what the kernel says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::demonstration::Laboratory;
use crate::process;

const DOCUMENT: &str = "http://169.254.169.254/openstack/latest/meta_data.json";

/// Sends the request and tells its story.
///
/// # Errors
/// When the guest gets another instance's document or none, or a tool fails.
pub(super) fn show(laboratory: &Laboratory) -> Result<()> {
    let before = laboratory.daemon.status()?;
    let answer = laboratory.guest.curl(DOCUMENT)?;
    let after = laboratory.daemon.status()?;
    let record = laboratory.daemon.wait_log(&["access", "status="])?;
    print_hops(laboratory, &before, &after);
    println!("\n== What metadatad logged\n{record}");
    println!("\n== The answer\n{answer}");
    check_answer(laboratory, &answer)?;
    show_kernel(laboratory)
}

fn print_hops(laboratory: &Laboratory, before: &Value, after: &Value) {
    let Laboratory { guest, router, .. } = laboratory;
    let interface = &guest.router_interface;
    println!("\n== The way of `ip netns exec c1 curl {DOCUMENT}`");
    println!(
        "1. guest c1, {} ({}), sends to 169.254.169.254:80",
        guest.address, guest.mac
    );
    println!(
        "2. {interface} in {}: TC ingress, metadata_steer turns port 80 into 9697",
        router.namespace().name()
    );
    println!(
        "3. the proxy's socket 169.254.169.254:9697 in that namespace: the request is from router {}",
        router.id()
    );
    println!(
        "4. the agent: {} in that router is instance {}; it signs the id",
        guest.address, laboratory.instance.uuid
    );
    println!("5. the metadata API answers over HTTP");
    println!("6. {interface}: TC egress, metadata_restore turns port 9697 into 80");
    println!("\n   counter                      before     after");
    for (name, old, new) in counters(before, after) {
        println!("   {name:<26} {old:>8}  {new:>8}");
    }
}

/// Every counter of `status` that is not zero afterwards.
fn counters(before: &Value, after: &Value) -> Vec<(String, u64, u64)> {
    ["requests", "verdicts"]
        .iter()
        .filter_map(|group| Some((group, after.get(group)?.as_object()?)))
        .flat_map(|(group, counters)| {
            counters.iter().filter_map(move |(name, value)| {
                let old = before.get(group).and_then(|old| old.get(name));
                let new = count(value);
                (new > 0).then(|| (format!("{group} {name}"), old.map_or(0, count), new))
            })
        })
        .collect()
}

/// A counter is a number, or an object that counts packets.
fn count(value: &Value) -> u64 {
    let packets = value.get("packets").unwrap_or(value);
    packets.as_u64().unwrap_or(0)
}

fn check_answer(laboratory: &Laboratory, answer: &str) -> Result<()> {
    let document: Value = serde_json::from_str(answer).context("the answer is not JSON")?;
    anyhow::ensure!(
        document.get("uuid").and_then(Value::as_str) == Some(&laboratory.instance.uuid),
        "this is not the document of c1, whose id is {}",
        laboratory.instance.uuid
    );
    Ok(())
}

fn show_kernel(laboratory: &Laboratory) -> Result<()> {
    let inside = laboratory.router.namespace();
    let interface = &laboratory.guest.router_interface;
    print_output("bpftool", &["prog", "show", "name", "metadata_steer"])?;
    for map in pinned_maps(laboratory.daemon.bpffs()) {
        print_map(&map)?;
    }
    let in_router = ["netns", "exec", inside.name()];
    for line in [
        "bpftool net",
        &format!("tc filter show dev {interface} ingress"),
        &format!("tc filter show dev {interface} egress"),
        "ip route show table local 169.254.169.254",
        "ss --no-header --listening --numeric --tcp",
        "iptables -S",
        "iptables -S -t nat",
    ] {
        let words: Vec<&str> = in_router.iter().copied().chain(line.split(' ')).collect();
        print_output("ip", &words)?;
    }
    Ok(())
}

/// The counters, the guests' budgets and the limits; the log's ring buffer cannot be
/// dumped.
fn pinned_maps(bpffs: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(bpffs).into_iter().flatten().flatten();
    versions
        .filter_map(|version| fs::read_dir(version.path().join("maps")).ok())
        .flatten()
        .flatten()
        .map(|map| map.path())
        .collect()
}

/// The elements of a map, but for counters that count nothing.
fn print_map(map: &Path) -> Result<()> {
    println!("\n== bpftool map dump pinned {}", map.display());
    let mut dump = Command::new("bpftool");
    dump.args(["--json", "map", "dump", "pinned"]).arg(map);
    let elements: Vec<Value> = serde_json::from_str(&process::read(&mut dump)?)?;
    for element in elements
        .iter()
        .filter_map(|element| element.get("formatted"))
    {
        if !is_idle(element) {
            println!("{element}");
        }
    }
    Ok(())
}

fn is_idle(element: &Value) -> bool {
    let counts_nothing = |value: &Value| {
        let packets = value.pointer("/value/packets").and_then(Value::as_u64);
        packets.unwrap_or(0) == 0
    };
    let per_cpu = element.get("values").and_then(Value::as_array);
    per_cpu.is_some_and(|values| values.iter().all(counts_nothing))
}

fn print_output(program: &str, arguments: &[&str]) -> Result<()> {
    println!("\n== {program} {}", arguments.join(" "));
    print!("{}", process::read(Command::new(program).args(arguments))?);
    Ok(())
}
