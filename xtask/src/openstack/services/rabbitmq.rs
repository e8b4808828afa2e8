//! RabbitMQ with a node of its own; Erlang's port mapper and distribution stay
//! on loopback.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::super::addresses;
use super::super::place::Place;
use super::super::service::{Ready, Service};
use crate::process;

pub(in super::super) const NAME: &str = "rabbitmq";
pub(in super::super) const EPMD: &str = "epmd";

const NODE: &str = "metadatad-lab@localhost";
const CONFIGURATION: &str = "conf/rabbitmq.conf";

pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    fs::create_dir_all(place.path("rabbitmq"))?;
    let text = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         default_user = {}\n\
         default_pass = {}\n\
         log.console = true\n\
         log.file = false\n",
        addresses::AMQP,
        addresses::AMQP_USER,
        addresses::AMQP_PASSWORD,
    );
    place.write(CONFIGURATION, &text).map(drop)
}

/// Erlang would start one itself, which nobody would end.
pub(in super::super) fn port_mapper() -> Service {
    let port = addresses::EPMD.to_string();
    Service {
        name: EPMD,
        command: ["epmd", "-address", "127.0.0.1", "-port", &port]
            .map(str::to_owned)
            .into(),
        environment: Vec::new(),
        files: Vec::new(),
        ready: Ready::Port(addresses::EPMD),
    }
}

pub(in super::super) fn service(place: &Place) -> Service {
    Service {
        name: NAME,
        // The program of that name on the PATH becomes the user rabbitmq.
        command: vec!["/usr/lib/rabbitmq/bin/rabbitmq-server".to_owned()],
        environment: environment(place),
        files: vec![place.path(CONFIGURATION)],
        ready: Ready::Port(addresses::AMQP),
    }
}

fn environment(place: &Place) -> Vec<(&'static str, String)> {
    let home = place.text("rabbitmq");
    vec![
        ("RABBITMQ_NODENAME", NODE.to_owned()),
        ("RABBITMQ_MNESIA_BASE", format!("{home}/mnesia")),
        ("RABBITMQ_LOG_BASE", format!("{home}/log")),
        ("RABBITMQ_PID_FILE", format!("{home}/pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{home}/plugins")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_CONFIG_FILE", place.text("conf/rabbitmq")),
        ("RABBITMQ_DIST_PORT", addresses::ERLANG.to_string()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", addresses::EPMD.to_string()),
        // The cookie lives there.
        ("HOME", home),
    ]
}

/// Whether anybody takes messages from a queue.
pub(in super::super) fn has_consumer(place: &Place, queue: &str) -> bool {
    let mut list = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
    list.args([
        "--quiet",
        "--node",
        NODE,
        "list_queues",
        "name",
        "consumers",
    ]);
    list.envs(environment(place));
    let Ok(queues) = process::read(&mut list) else {
        return false;
    };
    queues.lines().any(|line| {
        line.split_once('\t')
            .is_some_and(|(name, consumers)| name == queue && consumers != "0")
    })
}
