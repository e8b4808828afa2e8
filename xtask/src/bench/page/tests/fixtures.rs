//! Documents as parts leave them, with as little in them as the page needs.

use serde_json::{Value, json};

pub(super) fn conditions() -> Value {
    json!({
        "machine": {
            "processors": 2,
            "model": "A processor",
            "kernel": "6.18.44",
            "load_average": 0.1,
            "commit": "0123456789ab",
            "versions": ["haproxy 2.6 - https://haproxy.org/", "nginx 1.22"],
        },
        "plan": { "rounds": 5, "seconds": 3 },
        "measured": "2026-11-25T17:46:12Z",
        "command": "cargo xtask bench --only path --rounds 5 --seconds 3",
    })
}

/// Rates of both with 1 and with 64 connections.
pub(super) fn comparison(peer: &str, ours: &str, rates: [[f64; 2]; 2]) -> Value {
    let sample = |rate: f64| {
        json!({
            "requests_per_second": rate,
            "failed_share": 0.0,
            "p50_us": 1e6 / rate,
            "p99_us": 3e6 / rate,
            "process_us": { "proxy": 50.0, "nginx": 5.0 },
        })
    };
    let case = |connections: usize, [theirs, our_rate]: [f64; 2]| {
        let ratio = our_rate / theirs;
        json!({
            "workload": { "connections": connections, "keep_alive": true },
            "series": [
                { "name": peer, "samples": [sample(theirs)] },
                { "name": ours, "samples": [sample(our_rate)] },
            ],
            "ratios": [{
                "of": ours,
                "to": peer,
                "value": { "lowest": ratio - 0.05, "median": ratio, "highest": ratio + 0.05 },
                "aim": 1.2,
            }],
        })
    };
    let [one, many] = rates;
    json!({ "notes": [], "cases": [case(1, one), case(64, many)] })
}

pub(super) fn neighbours() -> Value {
    let series = |name: &str, aim: Option<f64>, more: f64, ratio: f64| {
        json!({
            "name": name,
            "aim": aim,
            "samples": [{
                "nanoseconds": 2_000.0 + more,
                "more_nanoseconds": more,
                "rate_ratio": ratio,
            }],
        })
    };
    let all = [
        series("nothing", None, 0.0, 1.0),
        series("nothing, once more", None, -2.0, 1.0),
        series("all of Neutron's rules", None, 1_297.0, 0.68),
        series("metadatad", Some(0.98), 245.0, 0.92),
        series("the sender alone", None, -761.0, 1.37),
    ];
    json!({ "cases": [
        { "traffic": "SmallPackets", "series": all },
        { "traffic": "Stream", "series": all },
    ]})
}

pub(super) fn fairness() -> Value {
    let latencies = |p99_ms: f64| json!({ "p99_ms": p99_ms, "failed_share": 0.0 });
    let series = |name: &str, times: f64| {
        let ratio = json!({ "lowest": times, "median": times, "highest": times });
        json!({
            "name": name,
            "samples": [{ "neighbour": latencies(times), "elsewhere": latencies(1.0) }],
            "neighbour_ratio": ratio,
            "elsewhere_ratio": { "lowest": 1.0, "median": 1.0, "highest": 1.0 },
        })
    };
    let case = |flood: &str, theirs: f64, ours: f64| {
        json!({
            "flood": flood,
            "series": [series("iptables + haproxy", theirs), series("metadatad", ours)],
        })
    };
    json!({ "cases": [
        case("no flood", 1.0, 1.0),
        case("SYNs", 1.5, 1.1),
        case("slow reads", 2_400.0, 3.0),
    ]})
}

pub(super) fn scale() -> Value {
    let size = |routers: usize, seconds: f64, further: Option<f64>| {
        json!({
            "routers": routers,
            "cold_start_seconds": seconds,
            "newcomer_p50_ms": 2.0,
            "newcomer_p99_ms": 4.0,
            "kib_per_further_router": further,
            "idle": { "switches_per_second": 0.0, "cpu_us_per_second": 0.0 },
        })
    };
    json!({
        "metadatad": [size(10, 0.2, Some(0.0)), size(1_000, 2.0, Some(12.0))],
        "haproxy": [{ "routers": 10, "seconds_to_start": 0.4, "kib_per_router": 3_600.0 }],
    })
}

pub(super) fn storm() -> Value {
    let run = |lane: &str, complete: &[f64], stranded: u32| {
        json!({
            "lane": lane,
            "half": complete.get(1),
            "most": complete.get(3),
            "all": complete.get(3),
            "failed_crawls": stranded,
            "stranded": stranded,
            "cpu": { "nova": 3.0 },
            "complete": complete,
        })
    };
    json!({
        "guests": 4,
        "spread_seconds": 10,
        "limit_seconds": 900,
        "runs": [
            run("metadatad", &[3.0, 6.0, 9.0, 12.0], 0),
            run("haproxy + Neutron's agent", &[400.0], 2),
        ],
    })
}

pub(super) fn restarts() -> Value {
    let act = |act: &str, failed: usize, in_flight: usize| {
        json!({
            "act": act,
            "times": 100,
            "answered": 50_000,
            "refused": 0,
            "failed": failed,
            "failures": {},
            "in_flight": in_flight,
            "p99_ms": 3.0,
            "slowest_ms": 12.0,
        })
    };
    json!({ "acts": [act("restart", 0, 0), act("kill -9 of both", 2, 7)] })
}
