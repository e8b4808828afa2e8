use std::net::IpAddr;

use tokio::time::advance;

use super::*;
use crate::identity::MacAddr;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(ipv4: bool, ipv6: bool) -> RateLimiter {
    let window = RateWindow {
        duration: SECOND * 10,
        requests: 3,
    };
    RateLimiter::new(RateLimits {
        ipv4,
        ipv6,
        base: window,
        burst: window,
    })
}

fn sender(address: &str, mac: Option<u8>) -> Sender {
    Sender {
        address: address.parse::<IpAddr>().unwrap().to_canonical(),
        mac: mac.map(|last| MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])),
    }
}

fn passing(limiter: &RateLimiter, senders: &[Sender]) -> usize {
    let passing = senders
        .iter()
        .filter(|sender| limiter.pass(**sender).is_ok());
    passing.count()
}

#[tokio::test(start_paused = true)]
async fn each_guest_has_its_own_limit_over_all_its_addresses() {
    let limiter = limiter(true, true);
    let guest = [
        sender("10.0.0.5", Some(5)),
        sender("fe80::1", Some(5)),
        sender("fe80::2", Some(5)),
        sender("2001:db8::3", Some(5)),
        sender("10.0.0.5", Some(5)),
    ];
    assert_eq!(passing(&limiter, &guest), 3);
    assert_eq!(passing(&limiter, &[sender("10.0.0.6", Some(6)); 4]), 3);
    // Behind no MAC that is known, the address counts, in either spelling.
    let mapped = [
        sender("10.0.0.7", None),
        sender("::ffff:10.0.0.7", None),
        sender("10.0.0.7", None),
        sender("::ffff:10.0.0.7", None),
    ];
    assert_eq!(passing(&limiter, &mapped), 3);
}

#[tokio::test(start_paused = true)]
async fn a_family_that_is_not_listed_is_not_limited_and_does_not_count() {
    for (ipv4, ipv6, limited, free) in [
        (true, false, "10.0.0.5", "fe80::5"),
        (false, true, "fe80::5", "10.0.0.5"),
    ] {
        let limiter = limiter(ipv4, ipv6);
        assert_eq!(passing(&limiter, &[sender(free, Some(5)); 9]), 9);
        assert_eq!(passing(&limiter, &[sender(limited, Some(5)); 9]), 3);
    }
    let mapped = limiter(false, true);
    assert_eq!(passing(&mapped, &[sender("::ffff:10.0.0.5", None); 9]), 9);
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_long_as_it_was_told_passes() {
    let limiter = limiter(true, false);
    let guest = sender("10.0.0.5", Some(5));
    for _ in 0..3 {
        limiter.pass(guest).unwrap();
        advance(Duration::from_millis(700)).await;
    }
    let refused = limiter.pass(guest).unwrap_err();
    assert_eq!(refused.wait, Duration::from_millis(7_900));
    assert_eq!(refused.retry_after(), 8);
    advance(Duration::from_millis(7_899)).await;
    // What is refused keeps nobody out for longer.
    assert_eq!(limiter.pass(guest).unwrap_err().retry_after(), 1);
    advance(Duration::from_millis(1)).await;
    limiter.pass(guest).unwrap();
    assert!(limiter.pass(guest).is_err());
}
