//! More happens in namespaces than the kernel keeps messages of.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use xtask::lab::guest::Guest;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::Subnet;
use xtask::lab::{proc, wait};

use crate::{DOCUMENT, Estate, LIMIT, Stopped};

/// More, twice, than the buffer of one socket for all namespaces holds.
const EVENTS: usize = 30_000;

fn make_events(namespace: &Namespace) -> Result<()> {
    let mut ip = namespace.command("ip");
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    let mut orders = ip.stdin.take().context("it has one")?;
    for number in 0..EVENTS {
        writeln!(orders, "link set dev lo mtu {}", 2_000 + number)?;
    }
    drop(orders);
    ensure!(ip.wait()?.success());
    Ok(())
}

/// Messages to a process that were lost, as the namespace and its own say.
fn lost_by(pid: u32, namespace: &Namespace) -> Result<u64> {
    let sockets = proc::sockets(pid)?;
    let inside = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/netlink"))??;
    let outside = fs::read_to_string(format!("/proc/{pid}/net/netlink"))?;
    let lost = inside.lines().chain(outside.lines()).filter_map(|line| {
        // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [.., drops, inode] = fields.as_slice() else {
            return None;
        };
        let is_its = sockets.contains(*inode);
        is_its.then(|| drops.parse::<u64>().ok()).flatten()
    });
    Ok(lost.sum())
}

#[test]
fn after_an_overrun_everything_is_looked_at_again() -> Result<()> {
    let mut estate = Estate::create(|setup| setup)?;
    let newcomer = estate.newcomer()?;
    estate.wait_newcomer_served(&newcomer)?;
    let supervisor = estate.site.daemon.pid();
    let (first, second) = (estate.site.router.namespace(), newcomer.router.namespace());
    let interface = &estate.site.guest.router_interface;
    let stopped = Stopped::stop(supervisor)?;
    make_events(first)?;
    // What is among the lost ones: our programs are taken away, and an interface comes.
    first.sh(&format!("tc qdisc del dev {interface} clsact"))?;
    let subnet = Subnet {
        guest: Ipv4Addr::new(18, 18, 18, 5),
        gateway: Ipv4Addr::new(18, 18, 18, 1),
        prefix: 24,
    };
    let another = Guest::behind(&newcomer.router, subnet)?;
    make_events(second)?;
    let lost = lost_by(supervisor, first)?;
    assert!(lost > 0, "the kernel kept {EVENTS} messages");
    drop(stopped);
    wait::until("the programs are back", LIMIT, || {
        let filters = first.sh(&format!("tc filter show dev {interface} ingress"))?;
        Ok(filters.contains("metadata_steer"))
    })?;
    let name = second.name().to_owned();
    estate
        .site
        .daemon
        .wait("the new interface is served", |daemon| {
            let state = daemon.namespace(&name)?.context("it is served")?;
            let interfaces = state["interfaces"].as_array().context("it has some")?;
            let is_steered = |one: &&serde_json::Value| one["steered"] == true;
            Ok(interfaces.iter().filter(is_steered).count() == 2)
        })?;
    estate.is_served()?;
    assert_eq!(another.get(DOCUMENT)?.status, 404);
    Ok(())
}
