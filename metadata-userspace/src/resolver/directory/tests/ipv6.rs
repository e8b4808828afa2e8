//! Guests whose addresses Neutron does not know.

use super::*;

const STABLE_PRIVACY: &str = "fe80::1234:5678:9abc:def0";
const TEMPORARY: &str = "2001:db8::8d2f:1c3a:77:aa01";
const FIXED: &str = "2001:db8::6";

async fn who_has(asked: &Asked, address: &str, mac: Option<u8>) -> String {
    let requester = Requester {
        realm: Realm::Router("router".to_owned()),
        address: address.parse().unwrap(),
        mac: mac.map(|mac| MacAddr([0xfa, 0x16, 0x3e, 0, 0, mac])),
    };
    match asked.identifier.resolve(&requester).await {
        Ok(Resolution::Found(port)) => port.device_id.to_string(),
        Ok(Resolution::Pretender { claimed, real }) => {
            format!("{} as {}", real.device_id, claimed.device_id)
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => error.reason,
    }
}

fn dual_stack() -> Vec<Port> {
    let mut neighbour = port("b", 6, 6);
    neighbour.addresses.push(FIXED.parse().unwrap());
    vec![port("a", 5, 5), neighbour]
}

#[tokio::test(start_paused = true)]
async fn addresses_that_guests_made_lead_to_their_macs_at_once() {
    let asked = Asked::new(dual_stack());
    assert_eq!(asked.who(5, Some(5)).await, "a");
    for address in [STABLE_PRIVACY, "fe80::f816:3eff:fe00:6", TEMPORARY] {
        let start = Instant::now();
        assert_eq!(who_has(&asked, address, Some(5)).await, "a", "{address}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{address}");
    }
    assert_eq!(who_has(&asked, FIXED, Some(6)).await, "b");
    assert_eq!(who_has(&asked, FIXED, Some(5)).await, "a as b");
    assert_eq!(who_has(&asked, TEMPORARY, None).await, "Unknown");
}

/// A round has just been, so the next one could only begin a second later.
#[tokio::test(start_paused = true)]
async fn a_guest_known_by_its_mac_waits_for_one_answer_after_a_silence() {
    let asked = Asked::new(dual_stack());
    for (address, mac) in [
        (STABLE_PRIVACY, Some(5)),
        ("fe80::f816:3eff:fe00:5", None),
        (TEMPORARY, Some(5)),
    ] {
        assert_eq!(asked.who(5, Some(5)).await, "a");
        sleep(LIFETIME * 2).await;
        let start = Instant::now();
        let first = tokio::spawn({
            let identifier = asked.identifier.clone();
            async move { who(&identifier, 5, Some(5)).await }
        });
        sleep(Duration::from_millis(5)).await;
        assert_eq!(who_has(&asked, address, mac).await, "a", "{address}");
        assert!(start.elapsed() < Duration::from_millis(200), "{address}");
        assert_eq!(first.await.unwrap(), "a");
        sleep(LIFETIME).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_neutron_is_away_they_are_served_on() {
    let asked = Asked::new(dual_stack());
    assert_eq!(who_has(&asked, TEMPORARY, Some(5)).await, "a");
    asked.neutron.change(|cloud| cloud.broken = true);
    sleep(LIFETIME * 2).await;
    for address in [TEMPORARY, STABLE_PRIVACY] {
        assert_eq!(who_has(&asked, address, Some(5)).await, "a");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_became_a_ports_own_is_no_longer_the_guests_to_make() {
    let asked = Asked::new(dual_stack());
    assert_eq!(who_has(&asked, TEMPORARY, Some(5)).await, "a");
    asked.neutron.change(|cloud| {
        let neighbour = cloud.ports.last_mut().unwrap();
        neighbour.addresses.push(TEMPORARY.parse().unwrap());
    });
    sleep(LIFETIME * 2).await;
    assert_eq!(who_has(&asked, TEMPORARY, Some(5)).await, "a as b");
    assert_eq!(who_has(&asked, TEMPORARY, Some(6)).await, "b");
}
