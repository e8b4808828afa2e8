use super::*;
use crate::config::tests::{errors, load};

const INVENTORY: &str =
    "[metadatad]\nresolver = inventory\ninventory = /etc/metadatad/inventory.toml\n";

fn limits(lines: &str) -> Option<RateLimits> {
    let section = format!("[metadata_rate_limiting]\n{lines}");
    load(&[INVENTORY, &section]).unwrap().proxy.rate_limits
}

#[test]
fn they_are_off_until_they_are_enabled() {
    assert_eq!(limits(""), None);
    assert_eq!(limits("base_query_rate_limit = 3\n"), None);
    let ten = RateWindow {
        duration: Duration::from_secs(10),
        requests: 10,
    };
    let neutrons = RateLimits {
        ipv4: true,
        ipv6: false,
        base: ten,
        burst: ten,
    };
    assert_eq!(limits("rate_limit_enabled = True\n"), Some(neutrons));
}

#[test]
fn one_family_or_both_may_be_limited() {
    for (versions, ipv4, ipv6) in [
        ("4", true, false),
        ("6", false, true),
        ("4,6", true, true),
        ("6, 4", true, true),
        ("", false, false),
    ] {
        let lines = format!("rate_limit_enabled = true\nip_versions = {versions}\n");
        let limits = limits(&lines).unwrap();
        assert_eq!((limits.ipv4, limits.ipv6), (ipv4, ipv6), "{versions}");
    }
}

#[test]
fn each_window_has_its_own_values() {
    let limits = limits(
        "rate_limit_enabled = true\nbase_window_duration = 60\nbase_query_rate_limit = 120\n\
         burst_window_duration = 2\nburst_query_rate_limit = 20\n",
    );
    let limits = limits.unwrap();
    let window = |seconds, requests| RateWindow {
        duration: Duration::from_secs(seconds),
        requests,
    };
    assert_eq!(limits.windows(), [window(60, 120), window(2, 20)]);
    assert_eq!(limits.longest(), Duration::from_secs(60));
}

#[test]
fn garbage_is_told_with_its_place_and_what_is_allowed() {
    let text = "[metadata_rate_limiting]\nip_versions = 4,5\nbase_query_rate_limit = 0\n";
    assert_eq!(
        errors(&[text, INVENTORY]),
        [
            "0.conf:2: [metadata_rate_limiting] ip_versions: `4,5` must be a comma-separated \
             list of 4, 6",
            "0.conf:3: [metadata_rate_limiting] base_query_rate_limit: `0` must be a whole number \
             from 1 to 4294967295",
        ]
    );
}
