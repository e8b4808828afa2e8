//! The neutron-rpc resolver against a real RabbitMQ.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cloud;
mod faults;
mod reports;
mod server;
mod tls;

use std::thread;

use anyhow::{Result, anyhow};
use serde_json::json;
use xtask::lab::daemon::Setup;
use xtask::lab::rabbitmq::RabbitMq;

use cloud::Cloud;

#[test]
fn a_storm_of_guests_costs_neutron_a_handful_of_calls() -> Result<()> {
    const GUESTS: u8 = 100;
    const REQUESTS_EACH: usize = 10;
    // Nothing grows old meanwhile, however long the machine takes for so many.
    let patient = |setup: Setup| {
        setup
            .option("identity_timeout", "10")
            .sections("[cache]\nenabled = true\nexpiration_time = 600\n")
    };
    let all = usize::from(GUESTS);
    let mut cloud = Cloud::with_guests(GUESTS, all, RabbitMq::start()?, patient)?;
    cloud.wait_dependency("rabbitmq", None)?;
    assert_eq!(cloud.neutron.calls(), 0);
    thread::scope(|scope| {
        let cloud = &cloud;
        let guests: Vec<_> = (0..all)
            .map(|guest| {
                scope.spawn(move || (0..REQUESTS_EACH).try_for_each(|_| cloud.serves(guest)))
            })
            .collect();
        guests
            .into_iter()
            .try_for_each(|guest| guest.join().map_err(|_| anyhow!("a guest panicked"))?)
    })?;
    let calls = cloud.neutron.calls();
    assert!(calls <= 5, "1000 requests cost {calls} calls");
    for version in cloud.neutron.versions() {
        assert_eq!(version, json!(["2.0", "1.0", true]));
    }
    for name in ["rabbitmq", "neutron"] {
        assert_eq!(cloud.dependency(name)?["up"], true, "{name}");
    }
    Ok(())
}
