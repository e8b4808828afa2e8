#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::RateWindow;

const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

/// As `METADATA_HAPROXY_GLOBAL` of neutron/common/metadata.py is filled in.
fn global(more: &str) -> String {
    format!(
        "
global
    log         /dev/log local0 info
    log-tag     haproxy-metadata-proxy-{ID}
    user        neutron
    group       neutron
    maxconn     1024
{more}    pidfile     /var/lib/neutron/external/pids/{ID}.pid.haproxy
    daemon

defaults
    log global
    mode http
    option httplog
    option dontlognull
    option http-server-close
    option forwardfor
    retries                 3
    timeout http-request    30s
    timeout connect         30s
    timeout client          32s
    timeout server          32s
    timeout http-keep-alive 30s

"
    )
}

fn listen(body: &str) -> String {
    format!("{}\nlisten listener\n{body}", global("    nbthread    2\n"))
}

const ROUTER: &str = "    bind :::9697
    \n    server metadata /var/lib/neutron/metadata_proxy

    http-request del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID 8f3a9a93-5a1c-4ce9-9266-e3048098412a
";

fn bind(address: &str, port: u16, interface: Option<&str>) -> Bind {
    Bind {
        address: address.parse().unwrap(),
        port,
        interface: interface.map(str::to_owned),
    }
}

fn faults(text: &str) -> Vec<String> {
    let faults = ProxyOrder::parse(text).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_routers_proxy_of_today() {
    let order = ProxyOrder::parse(&listen(ROUTER)).unwrap();
    assert_eq!(
        order,
        ProxyOrder {
            realm: Realm::Router(ID.into()),
            header: Header::Router,
            binds: vec![bind("::", 9697, None)],
            socket: "/var/lib/neutron/metadata_proxy".into(),
            pidfile: Some(format!("/var/lib/neutron/external/pids/{ID}.pid.haproxy").into()),
            daemon: true,
            user: Some("neutron".into()),
            group: Some("neutron".into()),
            limits: None,
            log: Log {
                socket: "/dev/log".into(),
                facility: Facility::LOCAL0,
                tag: format!("haproxy-metadata-proxy-{ID}"),
            },
        }
    );
    assert_eq!(order.kind(), Kind::Router);
}

#[test]
fn proxies_of_queens() {
    for (header, realm, kind) in [
        ("Router", Realm::Router(ID.into()), Kind::Router),
        ("Network", Realm::Network(ID.into()), Kind::Dhcp),
    ] {
        let text = format!(
            "{}listen listener
    bind 0.0.0.0:9697
    server metadata /var/lib/neutron/metadata_proxy
    http-request add-header X-Neutron-{header}-ID {ID}
",
            global("")
        );
        let order = ProxyOrder::parse(&text).unwrap();
        assert_eq!((&order.realm, order.kind()), (&realm, kind));
        assert_eq!(order.binds, [bind("0.0.0.0", 9697, None)]);
    }
}

#[test]
fn a_networks_proxy_listens_on_both_addresses() {
    for ipv6 in [
        "[fe80::a9fe:a9fe]:80 interface tap7d5e955b-99",
        "fe80::a9fe:a9fe:80 interface tap7d5e955b-99",
    ] {
        let order = ProxyOrder::parse(&listen(&format!(
            "    bind 169.254.169.254:80
    bind {ipv6}
    server metadata /var/lib/neutron/metadata_proxy

    http-request del-header X-Neutron-Router-ID
    http-request set-header X-Neutron-Network-ID {ID}
"
        )))
        .unwrap();
        assert_eq!(
            order.binds,
            [
                bind("169.254.169.254", 80, None),
                bind("fe80::a9fe:a9fe", 80, Some("tap7d5e955b-99")),
            ]
        );
        assert_eq!(order.kind(), Kind::Dhcp);
    }
}

#[test]
fn a_dhcp_agents_proxy_may_be_a_routers() {
    let text = listen(&ROUTER.replace(":::9697", "169.254.169.254:80"));
    let order = ProxyOrder::parse(&text).unwrap();
    assert_eq!(order.realm, Realm::Router(ID.into()));
    assert_eq!(order.kind(), Kind::Dhcp);
}

#[test]
fn ovns_proxy_adds_its_header() {
    let order = ProxyOrder::parse(&listen(&format!(
        "    bind 169.254.169.254:80\n    \n    server metadata /run/metadata_proxy\n\n    \
         http-request add-header X-OVN-Network-ID {ID}\n"
    )))
    .unwrap();
    assert_eq!(order.realm, Realm::Network(ID.into()));
    assert_eq!(
        (order.header, order.kind()),
        (Header::OvnNetwork, Kind::Ovn)
    );
}

fn limited(family: &str, bind: &str) -> String {
    format!(
        "{}
backend base_rate_limiter
    stick-table type {family} size 10k expire 20s store http_req_rate(10s)

backend burst_rate_limiter
    stick-table type {family} size 10k expire 20s store http_req_rate(20s)

listen listener
    bind {bind}
    \n
    http-request track-sc0 src table base_rate_limiter
    http-request track-sc1 src table burst_rate_limiter
    http-request deny deny_status 429 if {{ src_http_req_rate(base_rate_limiter) gt 6 }}
    http-request deny deny_status 429 if {{ src_http_req_rate(burst_rate_limiter) gt 9 }}

    server metadata /var/lib/neutron/metadata_proxy

    http-request del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID {ID}
",
        global("    nbthread    2\n")
    )
}

#[test]
fn rate_limits_are_those_of_haproxys_tables() {
    let window = |seconds, requests| RateWindow {
        duration: Duration::from_secs(seconds),
        requests,
    };
    for (family, bind, ipv4, ipv6) in [
        ("ip", ":::9697", true, false),
        ("ip", "0.0.0.0:9697", true, false),
        // IPv4 guests are mapped into the keys of `::`.
        ("ipv6", ":::9697", true, true),
        ("ipv6", "169.254.169.254:80", false, true),
    ] {
        let order = ProxyOrder::parse(&limited(family, bind)).unwrap();
        let expected = RateLimits {
            ipv4,
            ipv6,
            base: window(10, 6),
            burst: window(20, 9),
        };
        assert_eq!(order.limits, Some(expected), "{family} {bind}");
    }
}

#[test]
fn half_a_rate_limit_is_none() {
    let text =
        limited("ip", ":::9697").replace("track-sc1 src table burst", "track-sc1 src table b");
    assert_eq!(
        faults(&text),
        ["burst_rate_limiter lacks its table, the rule that counts, or the one that denies"]
    );
}

#[test]
fn what_is_not_neutrons_is_named_by_its_line() {
    let text = listen(ROUTER)
        .replace("mode http", "mode tcp")
        .replace(
            "server metadata /",
            "acl admin src 10.0.0.1\n    server metadata /",
        )
        .replace("set-header", "replace-header");
    assert_eq!(
        faults(&text),
        [
            "14: `mode tcp` in `defaults` is not understood",
            "30: `acl admin src 10.0.0.1` in `listen` is not understood",
            "34: `http-request replace-header X-Neutron-Router-ID \
             8f3a9a93-5a1c-4ce9-9266-e3048098412a` is not understood",
            "no header names a router or network",
        ]
    );
}

#[test]
fn an_order_that_is_not_whole_is_refused() {
    let all = [
        "no header names a router or network",
        "no `bind` says where to listen",
        "no `server` says who answers",
    ];
    assert_eq!(faults(""), all);
    assert_eq!(
        faults("daemon"),
        [&["1: `daemon` stands in no section"], &all[..]].concat()
    );
    let long = faults(&format!("\u{1b}[2J{}", "x".repeat(LONGEST / 2)));
    let word = format!("\\u{{1b}}[2J{}", "x".repeat(76));
    assert_eq!(
        long.first(),
        Some(&format!("1: `{word}` stands in no section"))
    );
    let both = format!("{ROUTER}    http-request set-header X-Neutron-Network-ID {ID}\n");
    assert_eq!(
        faults(&listen(&both)),
        [
            "34: a second identity: a request is of one router or network",
            "the identity header is deleted too"
        ]
    );
    let text = listen(&ROUTER.replace(ID, "../../etc"));
    let first = faults(&text).into_iter().next();
    assert!(first.is_some_and(|fault| fault.ends_with("`../../etc` is no UUID")));
}

#[test]
fn faults_and_sizes_are_bounded() {
    assert_eq!(faults(&"x\n".repeat(1000)).len(), MOST_FAULTS);
    let long = "#".repeat(LONGEST + 1);
    assert_eq!(faults(&long).len(), 1);
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in "(?s).{0,400}") {
        let _ = ProxyOrder::parse(&text);
    }

    /// Neutron's words in any order.
    #[test]
    fn no_order_of_words_is_too_much(
        words in prop::collection::vec(prop::sample::select(vec![
            "global", "defaults", "listen", "backend", "\n", "\n", "\n    ", "bind", ":::9697",
            "[::]:1", "[", "]:1", "server", "metadata", "/x", "http-request", "set-header",
            "X-Neutron-Router-ID", ID, "del-header", "stick-table", "type", "ip", "size", "10k",
            "expire", "9s", "store", "http_req_rate(1s)", "http_req_rate(", "deny", "{", "gt",
            "}", "timeout", "connect", "999999999999999999s", "log", "local9", "pidfile", "é",
        ]), 0..80),
    ) {
        let _ = ProxyOrder::parse(&words.join(" "));
    }
}
