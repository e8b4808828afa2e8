//! The same request from many connections.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use xtask::lab::http;

use super::fake::{Fake, answer};
use super::{Cloud, assert_fresh, assert_worth_another_try};

const PATH: &str = "/openstack/latest/meta_data.json";
const CONNECTIONS: usize = 64;
/// All of them have asked by then.
const DELAY: Duration = Duration::from_secs(8);

/// The bodies that this many connections get at once.
fn crowd(cloud: &Cloud, path: &str, connections: usize) -> Result<Vec<String>> {
    thread::scope(|scope| {
        let guests: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| Ok(cloud.get(path)?.text())))
            .collect();
        let heard = guests
            .into_iter()
            .map(|guest| guest.join().map_err(|_| anyhow!("a guest panicked"))?);
        heard.collect()
    })
}

#[test]
fn sixty_four_requests_are_one_to_nova() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let fake = Fake::start(cloud.port, &answer("200 OK", "one"), DELAY)?;
    let started = Instant::now();
    for text in crowd(&cloud, PATH, CONNECTIONS)? {
        assert_eq!(text, "one");
    }
    assert!(started.elapsed() < DELAY * 2);
    assert_eq!(fake.requests(), 1);
    let shared = cloud
        .site
        .daemon
        .metric::<u64>("metadatad_nova_shared_answers_total")?;
    assert_eq!(shared, 63);
    Ok(())
}

#[test]
fn the_guest_who_asked_first_may_hang_up() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let fake = Fake::start(cloud.port, &answer("200 OK", "one"), DELAY)?;
    let mut first = cloud.site.guest.connect()?;
    std::io::Write::write_all(
        &mut first,
        format!("GET {PATH} HTTP/1.1\r\nHost: metadata\r\n\r\n").as_bytes(),
    )?;
    xtask::lab::wait::until("it reaches Nova", DELAY, || Ok(fake.requests() == 1))?;
    thread::scope(|scope| {
        let others = scope.spawn(|| crowd(&cloud, PATH, 8));
        thread::sleep(Duration::from_millis(500));
        drop(first);
        for text in others.join().map_err(|_| anyhow!("a guest panicked"))?? {
            assert_eq!(text, "one");
        }
        Ok::<_, anyhow::Error>(())
    })?;
    // A guest that closes may have closed its half only, so its request goes on.
    assert_eq!(fake.requests(), 1);
    Ok(())
}

#[test]
fn a_long_answer_is_whole_for_everyone_and_never_kept() -> Result<()> {
    let cloud = Cloud::with(&[("response_ttl", "60")])?;
    let mut long = String::new();
    for number in 0..100_000 {
        long += &format!("{number:09}\n");
    }
    let fake = Fake::start(cloud.port, &answer("200 OK", &long), Duration::ZERO)?;
    for text in crowd(&cloud, PATH, 8)? {
        assert!(text == long, "it differs");
    }
    assert!(fake.requests() >= 8);
    drop(fake);
    assert_worth_another_try(&cloud.get(PATH)?);
    Ok(())
}

#[test]
fn one_connection_after_another_is_not_shared() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let fake = Fake::start(cloud.port, &answer("200 OK", "one"), Duration::ZERO)?;
    let mut stream = cloud.site.guest.connect()?;
    for number in 1..=20 {
        assert_fresh(&http::get(&mut stream, PATH, "")?);
        assert_eq!(fake.requests(), number);
    }
    Ok(())
}
