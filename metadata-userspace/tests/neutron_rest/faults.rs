//! Keystone and Neutron stopped, paused, slow, refusing, babbling: guests that
//! are known are served, others are put off, and all ends by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use xtask::lab::daemon::Setup;

use super::{Region, service_user};
use crate::cloud::{Cloud, Mood};

/// Longer than the daemon waits for an answer, [neutron] timeout.
const TOO_SLOW: Mood = Mood::Slow(Duration::from_secs(4));

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// What is known is asked for anew after a second.
fn short_lived(setup: Setup) -> Setup {
    setup
        .group_option("cache", "enabled", "true")
        .group_option("cache", "expiration_time", "1")
}

fn region(cloud: Cloud, corners: usize) -> Result<Region> {
    let auth_url = cloud.auth_url("http");
    Region::with(cloud, corners, |setup| {
        short_lived(service_user(setup, &auth_url))
    })
}

impl Region {
    /// The first corner is known, `stranger` is not; `name` is down with a reason
    /// that has `part` in it, since now.
    fn endures(&mut self, stranger: usize, name: &str, part: &str) -> Result<()> {
        let begun = now()?;
        // Its knowledge grows old meanwhile.
        std::thread::sleep(Duration::from_millis(1200));
        self.corners[0].is_served()?;
        self.corners[stranger].is_put_off()?;
        let state = self.wait_for(name, false)?;
        let problem = state["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(part), "{part}: {state}");
        let since = state["since"].as_u64().unwrap_or_default();
        assert!((begun..=now()?).contains(&since), "{begun} {state}");
        self.corners[0].is_served()?;
        Ok(())
    }

    fn recovers(&mut self, stranger: usize, name: &str) -> Result<()> {
        self.corners[stranger].is_served()?;
        self.wait_for(name, true)?;
        self.corners[0].is_served()
    }
}

#[test]
fn an_ailing_neutron() -> Result<()> {
    let moods = [
        (Mood::Silent, "no answer within 1.5s"),
        (TOO_SLOW, "no answer within 1.5s"),
        (Mood::Status(503), "503 Service Unavailable"),
        (Mood::Status(403), "the role admin"),
        (Mood::Status(401), "[keystone_authtoken]"),
        (Mood::Babbling, "makes no sense"),
        (Mood::Garbage, "Neutron at http://127.0.0.1:"),
    ];
    let mut region = region(Cloud::start()?, 1 + moods.len())?;
    region.corners[0].is_served()?;
    for (index, (mood, part)) in moods.into_iter().enumerate() {
        region.cloud.neutron.set(mood);
        region.endures(1 + index, "neutron", part)?;
        assert_eq!(region.dependency("keystone")?["up"], true, "{mood:?}");
        region.cloud.neutron.set(Mood::Well);
        region.corners[1 + index].comes_to_be_served()?;
        region.recovers(1 + index, "neutron")?;
    }
    Ok(())
}

#[test]
fn a_neutron_that_was_stopped_and_started() -> Result<()> {
    let mut region = region(Cloud::start()?, 2)?;
    region.corners[0].is_served()?;
    region.cloud.neutron.stop();
    region.endures(1, "neutron", "Connection refused")?;
    region.cloud.start_neutron()?;
    // Before any guest asks.
    region.wait_for("neutron", true)?;
    region.recovers(1, "neutron")
}

#[test]
fn an_ailing_keystone() -> Result<()> {
    let moods = [
        (Mood::Silent, "no answer within 1.5s"),
        (TOO_SLOW, "no answer within 1.5s"),
        (Mood::Status(500), "500 Internal Server Error"),
        (Mood::Status(404), "auth_url"),
        (Mood::Babbling, "makes no sense"),
        (Mood::Garbage, "Keystone at http://127.0.0.1:"),
    ];
    let cloud = Cloud::start()?;
    cloud.state.keystone().lifetime = Duration::from_secs(1);
    let mut region = region(cloud, 1 + moods.len())?;
    region.corners[0].is_served()?;
    for (index, (mood, part)) in moods.into_iter().enumerate() {
        region.cloud.keystone.set(mood);
        region.endures(1 + index, "keystone", part)?;
        region.cloud.keystone.set(Mood::Well);
        region.corners[1 + index].comes_to_be_served()?;
        region.recovers(1 + index, "keystone")?;
    }
    Ok(())
}

#[test]
fn a_keystone_that_was_stopped_and_started() -> Result<()> {
    let cloud = Cloud::start()?;
    cloud.state.keystone().lifetime = Duration::from_secs(1);
    let mut region = region(cloud, 2)?;
    region.corners[0].is_served()?;
    region.cloud.keystone.stop();
    region.endures(1, "keystone", "Connection refused")?;
    region.cloud.start_keystone()?;
    region.wait_for("keystone", true)?;
    region.recovers(1, "keystone")
}

#[test]
fn a_keystone_that_is_away_while_the_token_is_good_is_not_missed() -> Result<()> {
    let mut region = region(Cloud::start()?, 2)?;
    region.wait_for("neutron", true)?;
    region.cloud.keystone.stop();
    region.corners[0].is_served()?;
    region.corners[1].is_served()
}

#[test]
fn a_wrong_password_is_said_at_once_and_not_tried_often() -> Result<()> {
    let cloud = Cloud::start()?;
    let auth_url = cloud.auth_url("http");
    let mut region = Region::with(cloud, 1, |setup| {
        service_user(setup, &auth_url).group_option("neutron", "password", "stale-s3cret")
    })?;
    let state = region.wait_for("keystone", false)?;
    let problem = state["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("[neutron] username"), "{state}");
    for _ in 0..3 {
        region.corners[0].is_put_off()?;
    }
    let refused = region.cloud.state.keystone().refused;
    assert!(
        (1..=2).contains(&refused),
        "{refused} tries lock an account"
    );
    let log = region.daemon.log();
    assert!(
        log.contains("[neutron] username") && !log.contains("stale-s3cret"),
        "{log}"
    );
    Ok(())
}
