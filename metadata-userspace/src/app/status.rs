//! `metadatad status`: how the daemon and its namespaces are doing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::admin::client;
use crate::dependencies::DependencyState;
use crate::status::{Answerer, GuardState, Ipv6State, NamespaceState, ServingState, Status};

/// Asks the daemon behind `socket` and prints what it says.
pub async fn run(socket: &Path, json: bool) -> anyhow::Result<()> {
    let status = client::status(socket).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", render(&status));
    }
    Ok(())
}

/// The status for people.
fn render(status: &Status) -> String {
    let host = &status.host;
    let mut text = String::new();
    let worker = host
        .worker
        .pid
        .map_or("none".to_owned(), |pid| format!("pid {pid}"));
    line(&mut text, "version", &host.version);
    line(
        &mut text,
        "worker",
        &format!("{worker}, replaced {} times", host.worker.restarts),
    );
    if let Some(seconds) = status.supervisor_silent_for {
        line(&mut text, "PROBLEM", &silence(seconds));
    }
    for problem in &host.problems {
        line(&mut text, "PROBLEM", problem);
    }
    line(&mut text, "sandbox", &status.sandbox.to_string());
    line(
        &mut text,
        "programs",
        &list(
            host.programs
                .iter()
                .map(|(name, id)| format!("{name} id {id}")),
        ),
    );
    line(
        &mut text,
        "requests",
        &list(
            status
                .totals
                .requests
                .iter()
                .map(|(status, count)| format!("{status}: {count}")),
        ),
    );
    line(&mut text, "refused", &refused(&status.totals.refused));
    let spared = &status.totals.nova_spared;
    line(
        &mut text,
        "nova said",
        &format!(
            "{}; spared: {} shared, {} cached, {} stale",
            list(
                status
                    .totals
                    .nova_requests
                    .iter()
                    .map(|(status, count)| format!("{status}: {count}")),
            ),
            spared.shared,
            spared.cached,
            spared.stale
        ),
    );
    line(
        &mut text,
        "verdicts",
        &list(
            host.verdicts
                .iter()
                .map(|(name, count)| format!("{name}: {}", count.packets)),
        ),
    );
    for (name, dependency) in &status.totals.dependencies {
        line(&mut text, name, &render_dependency(dependency));
    }
    line(&mut text, "namespaces", &host.namespaces.len().to_string());
    for namespace in &host.namespaces {
        text.push_str(&render_namespace(namespace));
    }
    text
}

fn silence(seconds: u64) -> String {
    format!(
        "the supervisor does not answer; what is said of the host is {seconds} s old. It may wait \
         for the kernel, when many interfaces are deleted; its log says at which namespace"
    )
}

fn refused(by_reason: &BTreeMap<String, u64>) -> String {
    let happened = by_reason.iter().filter(|(_, count)| **count > 0);
    list(happened.map(|(reason, count)| format!("{reason}: {count}")))
}

fn render_dependency(dependency: &DependencyState) -> String {
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(dependency.since);
    let seconds = since.elapsed().unwrap_or_default().as_secs();
    match &dependency.problem {
        None => format!("up for {seconds} s"),
        Some(problem) => format!("DOWN for {seconds} s: {problem}"),
    }
}

fn render_namespace(namespace: &NamespaceState) -> String {
    let state = match namespace.state {
        ServingState::Serving => "serving",
        ServingState::Standby => "standby, the primary is on another host",
        ServingState::Idle => "idle, the agent put no metadata address there",
        ServingState::Released => "released, the agent ended its proxy",
        ServingState::Failed => "FAILED",
    };
    let answers = match namespace.answers {
        Answerer::Metadatad => "metadatad",
        Answerer::Haproxy => "haproxy",
        Answerer::Nobody => "nobody",
    };
    let mut text = format!(
        "\n{} (inode {}): {state}; answered by {answers}\n",
        namespace.name, namespace.inode
    );
    if !namespace.shims.is_empty() {
        let pids = list(namespace.shims.iter().map(u32::to_string));
        let _ = writeln!(text, "  kept by haproxy shim pid {pids}");
    }
    if let Some(problem) = &namespace.problem {
        let _ = writeln!(text, "  {problem}");
    }
    for interface in &namespace.interfaces {
        let steered = if interface.steered {
            "steered"
        } else {
            "NOT steered"
        };
        let ipv6 = match &interface.ipv6 {
            Ipv6State::Listening => "IPv6 too",
            Ipv6State::Waiting => "IPv6 not yet",
            Ipv6State::Unavailable(problem) => &format!("no IPv6: {problem}"),
        };
        let guard = match &interface.guard {
            GuardState::Off => String::new(),
            GuardState::On => ", XDP guard".to_owned(),
            GuardState::Unavailable(problem) => format!(", no XDP guard: {problem}"),
        };
        let _ = writeln!(
            text,
            "  {} (index {}): {steered}, {ipv6}{guard}",
            interface.name, interface.index
        );
        for program in &interface.foreign {
            let _ = writeln!(text, "    beside ours: {program}");
        }
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name:<11} {value}");
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        "none yet".into()
    } else {
        items.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::{ForeignHook, ForeignProgram, Order};
    use crate::identity::Realm;
    use crate::metrics::{Spared, Totals};
    use crate::namespaces::role::Kind;
    use crate::status::{HostState, InterfaceState, SandboxState, VerdictCount, WorkerState};

    #[test]
    fn trouble_stands_out() {
        let namespace = NamespaceState {
            name: "qrouter-1".into(),
            kind: Kind::Router,
            realm: Realm::Router("1".into()),
            inode: 7,
            state: ServingState::Failed,
            answers: Answerer::Nobody,
            shims: vec![12, 13],
            problem: Some("the port is taken".into()),
            interfaces: vec![InterfaceState {
                name: "qr-1".into(),
                index: 2,
                steered: false,
                ipv6: Ipv6State::Unavailable("IPv6 is off".into()),
                guard: GuardState::Unavailable("the driver cannot".into()),
                foreign: vec![ForeignProgram {
                    hook: ForeignHook::TcEgress,
                    name: "meter".into(),
                    id: Some(3),
                    runs: Order::Before,
                }],
            }],
        };
        let host = HostState {
            version: "1.2.3".into(),
            worker: WorkerState {
                pid: Some(9),
                restarts: 1,
            },
            problems: vec!["the port for metrics is taken".into()],
            programs: [("metadata_steer".into(), 4)].into(),
            namespaces: vec![namespace],
            verdicts: [(
                "steered".into(),
                VerdictCount {
                    packets: 12,
                    bytes: 800,
                },
            )]
            .into(),
        };
        let since = SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs()
            - 100;
        let neutron = DependencyState {
            up: false,
            since,
            problem: Some("no answer".into()),
        };
        let totals = Totals {
            requests: [("200".into(), 3)].into_iter().collect(),
            refused: [("flood".into(), 0), ("unanswered".into(), 2)].into(),
            dependencies: [("neutron".into(), neutron)].into(),
            nova_spared: Spared {
                stale: 2,
                ..Spared::default()
            },
            ..Totals::default()
        };
        let sandbox = SandboxState {
            seccomp: true,
            landlock: 7,
        };
        let status = Status {
            host,
            supervisor_silent_for: Some(12),
            totals,
            sandbox,
        };
        let text = render(&status).replace("for 101 s", "for 100 s");
        assert_eq!(
            text,
            "version     1.2.3\n\
             worker      pid 9, replaced 1 times\n\
             PROBLEM     the supervisor does not answer; what is said of the host is 12 s old. \
             It may wait for the kernel, when many interfaces are deleted; its log says at which \
             namespace\n\
             PROBLEM     the port for metrics is taken\n\
             sandbox     seccomp, Landlock ABI 7\n\
             programs    metadata_steer id 4\n\
             requests    200: 3\n\
             refused     unanswered: 2\n\
             nova said   none yet; spared: 0 shared, 0 cached, 2 stale\n\
             verdicts    steered: 12\n\
             neutron     DOWN for 100 s: no answer\n\
             namespaces  1\n\
             \n\
             qrouter-1 (inode 7): FAILED; answered by nobody\n  \
             kept by haproxy shim pid 12, 13\n  \
             the port is taken\n  \
             qr-1 (index 2): NOT steered, no IPv6: IPv6 is off, no XDP guard: the driver \
             cannot\n    \
             beside ours: meter at TC egress (id 3) before ours\n"
        );
    }
}
