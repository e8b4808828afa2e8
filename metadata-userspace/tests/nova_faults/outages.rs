//! Nova is away in every way there is.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::fake::{Fake, answer};
use super::{Api, BOOT, Cloud, assert_fresh, assert_stale, assert_worth_another_try, nova};

const UNKNOWN: &str = "/latest/meta-data/hostname";

#[test]
fn a_guest_reboots_while_nova_is_stopped() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let daemon = &cloud.site.daemon;
    let api = cloud.api()?;
    let first = cloud.boot()?;
    first.iter().for_each(assert_fresh);
    let statuses: Vec<u16> = first.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 404]);
    assert!(nova(daemon)?.0);
    drop(api);
    let second = cloud.boot()?;
    for (before, after) in first.iter().zip(&second) {
        assert_eq!((before.status, &before.body), (after.status, &after.body));
        assert_eq!(before.header("content-type"), after.header("content-type"));
        assert_stale(after)?;
    }
    assert_worth_another_try(&cloud.get(UNKNOWN)?);
    let (up, problem) = nova(daemon)?;
    assert!(!up && problem.contains("cannot be reached"), "{problem}");
    let boot = u64::try_from(BOOT.len())?;
    assert_eq!(
        daemon.metric::<u64>("metadatad_nova_stale_answers_total")?,
        boot
    );
    daemon.wait_log(&[
        "a guest gets its last good answer",
        &cloud.site.instance.uuid,
    ])?;
    let _api = cloud.api()?;
    cloud.boot()?.iter().for_each(assert_fresh);
    assert_eq!(cloud.get(UNKNOWN)?.status, 200);
    assert!(nova(daemon)?.0);
    Ok(())
}

#[test]
fn a_paused_nova_costs_guests_that_are_known_little() -> Result<()> {
    // Enough that a busy machine does not make a sign of a hang by itself.
    let cloud = Cloud::with(&[("nova_timeout", "6")])?;
    let mut api = cloud.api()?;
    cloud.boot()?;
    api.pause()?;
    let started = Instant::now();
    assert_stale(&cloud.get(BOOT[1])?)?;
    assert!(started.elapsed() < Duration::from_secs(12));
    let started = Instant::now();
    for answer in cloud.boot()? {
        assert_stale(&answer)?;
    }
    assert!(started.elapsed() < Duration::from_secs(6));
    let started = Instant::now();
    assert_worth_another_try(&cloud.get(UNKNOWN)?);
    assert!(started.elapsed() > Duration::from_secs(5));
    let (up, problem) = nova(&cloud.site.daemon)?;
    assert!(!up && problem.contains("no answer within"), "{problem}");
    api.resume()?;
    assert_eq!(cloud.get(UNKNOWN)?.status, 200);
    cloud.boot()?.iter().for_each(assert_fresh);
    assert!(nova(&cloud.site.daemon)?.0);
    Ok(())
}

#[test]
fn something_broken_in_novas_place_is_an_outage_too() -> Result<()> {
    let cloud = Cloud::with(&[("nova_timeout", "2")])?;
    drop((cloud.api()?, cloud.boot()?));
    let api = cloud.api()?;
    let good = cloud.boot()?;
    drop(api);
    let broken = [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), "is not HTTP"),
        (String::new(), "ended before the answer"),
        (
            answer("503 Service Unavailable\r\nRetry-After: 9", "no"),
            "503",
        ),
        (answer("502 Bad Gateway", "no"), "502"),
        (answer("504 Gateway Timeout", "no"), "504"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned(),
            "answer",
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/\r\n\r\n".to_owned(),
            "elsewhere",
        ),
    ];
    for (words, problem) in broken {
        let _fake = Fake::start(cloud.port, &words, Duration::ZERO)?;
        let answer = cloud.get(BOOT[1])?;
        assert_stale(&answer)?;
        assert_eq!(answer.body, good[1].body);
        assert_worth_another_try(&cloud.get(UNKNOWN)?);
        let (up, told) = nova(&cloud.site.daemon)?;
        assert!(!up && told.contains(problem), "{told}");
    }
    let _api = cloud.api()?;
    cloud.boot()?.iter().for_each(assert_fresh);
    assert!(nova(&cloud.site.daemon)?.0);
    Ok(())
}

/// A path may be what Nova stumbles over, so it does not count as down.
#[test]
fn an_internal_error_is_covered_by_what_was_known() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let api = cloud.api()?;
    cloud.boot()?;
    drop(api);
    let words = answer("500 Internal Server Error", "trace");
    let _fake = Fake::start(cloud.port, &words, Duration::ZERO)?;
    assert_stale(&cloud.get(BOOT[1])?)?;
    assert_eq!(cloud.get(UNKNOWN)?.status, 500);
    Ok(())
}

#[test]
fn a_slow_nova_is_waited_for() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let words = answer("200 OK", "slow");
    let _fake = Fake::start(cloud.port, &words, Duration::from_secs(2))?;
    for _ in 0..2 {
        let answer = cloud.get("/openstack")?;
        assert_eq!(answer.text(), "slow");
        assert_fresh(&answer);
    }
    Ok(())
}

#[test]
fn a_nova_with_another_secret_is_told_apart() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let _api = Api::with_other_secret(&cloud.site.daemon.config_file())?;
    for answer in cloud.boot()? {
        assert_eq!(answer.status, 403);
    }
    let (up, problem) = nova(&cloud.site.daemon)?;
    assert!(
        !up && problem.contains("metadata_proxy_shared_secret"),
        "{problem}"
    );
    Ok(())
}

#[test]
fn what_was_known_is_known_for_its_time_only() -> Result<()> {
    const KNOWN_FOR: u64 = 6;
    let cloud = Cloud::with(&[("stale_if_error", &KNOWN_FOR.to_string())])?;
    let api = cloud.api()?;
    assert_fresh(&cloud.get(BOOT[1])?);
    drop(api);
    assert_stale(&cloud.get(BOOT[1])?)?;
    std::thread::sleep(Duration::from_secs(KNOWN_FOR));
    assert_worth_another_try(&cloud.get(BOOT[1])?);
    Ok(())
}
