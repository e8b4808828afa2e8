//! What Neutron's server is told about the agent.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::json;
use xtask::lab::rabbitmq::RabbitMq;

use crate::cloud::Cloud;
use crate::server::Report;

const INTERVAL: Duration = Duration::from_millis(1500);

#[test]
fn the_agent_reports_as_neutron_metadata_agent_does() -> Result<()> {
    let options = |setup: xtask::lab::daemon::Setup| setup.default_option("host", "node-7");
    let mut cloud = Cloud::with_guests(1, 1, RabbitMq::start()?, options)?;
    let neutron = &cloud.neutron;
    cloud
        .daemon
        .wait("three reports", |_| Ok(neutron.reports().len() >= 3))?;
    let reports = cloud.neutron.reports();
    let state = |index: usize| reports[index].arguments["agent_state"]["agent_state"].clone();
    let first = state(0);
    assert_eq!(first["start_flag"], true);
    assert_eq!(first["binary"], "neutron-metadata-agent");
    assert_eq!(first["agent_type"], "Metadata agent");
    assert_eq!(first["topic"], "N/A");
    assert_eq!(first["host"], "node-7");
    let configurations = &first["configurations"];
    assert_eq!(configurations["nova_metadata_host"], "127.0.0.1");
    assert_eq!(configurations["log_agent_heartbeats"], false);
    let socket = cloud.daemon.agent_socket();
    assert_eq!(configurations["metadata_proxy_socket"], json!(socket));
    assert!(reports[0].wants_answer);
    for index in 1..3 {
        assert!(state(index).get("start_flag").is_none());
        assert!(!reports[index].wants_answer, "report {index}");
        assert_ne!(state(index)["uuid"], state(index - 1)["uuid"]);
        let apart = written(&reports[index])?.duration_since(written(&reports[index - 1])?)?;
        assert!(
            apart > INTERVAL / 2 && apart < INTERVAL * 4,
            "{apart:?} between reports"
        );
    }
    Ok(())
}

/// By the agent's own clock: when it arrives says more about the machine.
fn written(report: &Report) -> Result<SystemTime> {
    let time = report.arguments["time"].as_str().context("no time")?;
    Ok(humantime::parse_rfc3339_weak(time)?)
}
