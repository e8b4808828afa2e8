use std::fmt::Write;
use std::time::Duration;

use super::assert_printable;
use crate::config::{RateLimits, RateWindow};
use crate::identity::Realm;
use crate::shim::order::{Facility, Fault, Header, LONGEST, ProxyOrder};

/// Faults are repeated in messages.
const LONGEST_FAULT: usize = 1000;

/// haproxy's configuration ([`crate::shim::order`]): what was understood and is written
/// down again is understood in the same way; what was not is explained.
pub fn haproxy_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match ProxyOrder::parse(text) {
        Ok(order) => {
            let written = written(&order);
            if written.len() <= LONGEST {
                assert_eq!(ProxyOrder::parse(&written), Ok(order), "{written}");
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in faults {
                assert_is_readable(&fault, text);
            }
        }
    }
}

fn assert_is_readable(fault: &Fault, text: &str) {
    let lines = 1..=text.lines().count();
    assert!(fault.line.is_none_or(|line| lines.contains(&line)));
    let message = fault.to_string();
    assert_printable(&message);
    assert!(message.len() <= LONGEST_FAULT, "{} bytes", message.len());
}

/// As Neutron would have written it.
fn written(order: &ProxyOrder) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "    {line}");
    };
    line("global".to_owned());
    let (socket, facility) = (&order.log.socket, facility(order.log.facility));
    line(format!("log {} {facility} info", socket.display()));
    line(format!("log-tag {}", order.log.tag));
    let names = [("user", &order.user), ("group", &order.group)];
    for (option, name) in names {
        if let Some(name) = name {
            line(format!("{option} {name}"));
        }
    }
    if let Some(pidfile) = &order.pidfile {
        line(format!("pidfile {}", pidfile.display()));
    }
    if order.daemon {
        line("daemon".to_owned());
    }
    if let Some(limits) = &order.limits {
        tables(limits).into_iter().for_each(&mut line);
    }
    line("listen listener".to_owned());
    for bind in &order.binds {
        let host = match bind.address.is_ipv6() {
            true => format!("[{}]", bind.address),
            false => bind.address.to_string(),
        };
        let interface = bind.interface.as_ref();
        let interface = interface.map(|device| format!(" interface {device}"));
        let interface = interface.unwrap_or_default();
        line(format!("bind {host}:{}{interface}", bind.port));
    }
    line(format!("server metadata {}", order.socket.display()));
    if let Some(limits) = &order.limits {
        rules(limits).into_iter().for_each(&mut line);
    }
    let (Realm::Router(id) | Realm::Network(id)) = &order.realm;
    line(format!(
        "http-request set-header {} {id}",
        name(order.header)
    ));
    text
}

fn facility(Facility(number): Facility) -> String {
    match number {
        0 => "kern".to_owned(),
        1 => "user".to_owned(),
        3 => "daemon".to_owned(),
        5 => "syslog".to_owned(),
        local => format!("local{}", local.saturating_sub(Facility::LOCAL0.0)),
    }
}

fn name(header: Header) -> &'static str {
    match header {
        Header::Router => "X-Neutron-Router-ID",
        Header::Network => "X-Neutron-Network-ID",
        Header::OvnNetwork => "X-OVN-Network-ID",
    }
}

fn windows(limits: &RateLimits) -> [(&'static str, &RateWindow); 2] {
    [
        ("base_rate_limiter", &limits.base),
        ("burst_rate_limiter", &limits.burst),
    ]
}

fn tables(limits: &RateLimits) -> Vec<String> {
    let family = if limits.ipv6 { "ipv6" } else { "ip" };
    let table = |(name, window): (&str, &RateWindow)| {
        let time = milliseconds(window.duration);
        let table = "stick-table type";
        [
            format!("backend {name}"),
            format!("{table} {family} size 10k expire {time} store http_req_rate({time})"),
        ]
    };
    windows(limits).into_iter().flat_map(table).collect()
}

fn rules(limits: &RateLimits) -> Vec<String> {
    let rules = |(name, window): (&str, &RateWindow)| {
        let most = window.requests;
        [
            format!("http-request track-sc0 src table {name}"),
            format!(
                "http-request deny deny_status 429 if {{ src_http_req_rate({name}) gt {most} }}"
            ),
        ]
    };
    windows(limits).into_iter().flat_map(rules).collect()
}

fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
