#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::super::tests::{errors, load};
use super::*;

const RABBIT: &str = "[oslo_messaging_rabbit]\n";

fn messaging(texts: &[&str]) -> MessagingConfig {
    load(texts).unwrap().messaging.unwrap()
}

#[test]
fn the_defaults_are_those_of_oslo_messaging() {
    let config = messaging(&[""]);
    assert_eq!(
        (config.patience, config.longest_patience),
        (Duration::from_secs(60), Duration::from_secs(600))
    );
    assert_eq!(config.heartbeat, Duration::from_secs(60));
    assert_eq!(config.tls, None);
    assert_eq!(config.login, LoginMethod::AmqPlain);
    let exchange = ExchangeConfig {
        name: "neutron".into(),
        durable: false,
        auto_delete: false,
    };
    assert_eq!(config.exchange, exchange);
    let reply_queue = ReplyQueueConfig {
        expires: Duration::from_secs(1800),
        quorum: None,
    };
    assert_eq!(config.reply_queue, reply_queue);
    assert_eq!(config.reconnect.delay, Duration::from_secs(1));
    assert_eq!(config.report.interval, Duration::from_secs(30));
    let own = nix::unistd::gethostname().unwrap();
    assert_eq!(config.report.host, own.into_string().unwrap());
}

#[test]
fn the_options_of_the_files_are_read() {
    let text = "\
[DEFAULT]
transport_url = rabbit://u:p@a,u:p@b/cloud
host = compute-1
rpc_response_timeout = 5
[AGENT]
report_interval = 7.5
log_agent_heartbeats = true
[oslo_messaging_rabbit]
ssl = true
ssl_ca_file = /etc/ca.pem
ssl_cert_file = /etc/cert.pem
kombu_ssl_keyfile = /etc/key.pem
rabbit_quorum_queue = true
rabbit_transient_quorum_queue = true
rabbit_quorum_delivery_limit = 3
rabbit_transient_queues_ttl = 60
kombu_failover_strategy = shuffle
";
    let config = messaging(&[text]);
    assert_eq!(config.brokers.len(), 2);
    assert_eq!(config.virtual_host, "cloud");
    assert_eq!(config.failover, FailoverStrategy::Shuffle);
    assert_eq!(config.report.host, "compute-1");
    assert_eq!(config.report.interval, Duration::from_millis(7500));
    assert!(config.report.log_heartbeats);
    let tls = config.tls.unwrap();
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(tls.client_identity.unwrap().key, Path::new("/etc/key.pem"));
    assert!(config.exchange.durable);
    let quorum = config.reply_queue.quorum.unwrap();
    assert_eq!((quorum.deliveries, quorum.messages_in_memory), (3, 0));
    assert_eq!(config.reply_queue.expires, Duration::from_secs(60));
}

#[test]
fn the_url_s_query_wins_over_the_files() {
    let url = "[DEFAULT]\ntransport_url = rabbit://h/?ssl=0&heartbeat_timeout_threshold=9&use_queue_manager=1\n";
    let config = messaging(&[&format!("{url}{RABBIT}ssl = true\n")]);
    assert_eq!(config.tls, None);
    assert_eq!(config.heartbeat, Duration::from_secs(9));
}

#[test]
fn faults_of_the_url_name_no_password() {
    let with = |url: &str| errors(&[&format!("[DEFAULT]\ntransport_url = {url}\n")]);
    assert_eq!(
        with("rabbit://h/?ssl=maybe&sll=1"),
        [
            "0.conf:2: [DEFAULT] transport_url: \"sll\" in its query is no option of \
             [oslo_messaging_rabbit]",
            "0.conf:2: [DEFAULT] transport_url: ssl in its query must be true or false (or 1/0, \
             yes/no, on/off)",
        ]
    );
    let said = with("kafka://u:sesame@h");
    assert_eq!(
        said,
        [
            "0.conf:2: [DEFAULT] transport_url: kafka:// is not spoken here; it must be rabbit:// \
          (or kombu://, which means the same)"
        ]
    );
}

#[test]
fn the_bus_matters_only_to_its_resolver() {
    let inventory = "[metadatad]\nresolver = inventory\ninventory = /i.toml\n";
    let bad = "[DEFAULT]\ntransport_url = nonsense\n";
    assert_eq!(load(&[bad, inventory]).unwrap().messaging, None);
}

#[test]
fn tls_with_whoever_answers_is_told() {
    let told = |text: &str| {
        let notes = load(&[text]).unwrap().notes;
        notes.iter().map(Note::to_string).collect::<Vec<_>>()
    };
    let expected = "0.conf:2: [oslo_messaging_rabbit] ssl: RabbitMQ's certificate is not \
                    verified, as in oslo.messaging; name its authorities in \
                    [oslo_messaging_rabbit] ssl_ca_file";
    assert_eq!(told(&format!("{RABBIT}ssl = true\n")), [expected]);
    let verified = format!("{RABBIT}ssl = true\nssl_ca_file = /ca.pem\n");
    assert_eq!(told(&verified), [""; 0]);
}

#[test]
fn what_the_resolver_does_not_use_is_told() {
    let text = format!("{RABBIT}ssl = false\nheartbeat_rate = 3\nrabbit_stream_fanout = false\n");
    let notes: Vec<_> = load(&[&text]).unwrap().notes;
    let told: Vec<_> = notes.iter().map(|note| note.option.as_str()).collect();
    assert_eq!(
        told,
        ["[oslo_messaging_rabbit] heartbeat_rate"],
        "{notes:?}"
    );
}
