//! `[metadata_haproxy]`: how long a guest may take.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::place::{Ground, Kind, assert_served};

crate::in_each_kind!(a_slow_head_is_cut_off_when_the_option_says);

fn a_slow_head_is_cut_off_when_the_option_says(kind: Kind) -> Result<()> {
    let ground = Ground::create(kind)?;
    let setup = ground.setup()?;
    let setup = setup.group_option("metadata_haproxy", "timeout_http_request", "2");
    let place = ground.served_by(setup)?;
    let started = Instant::now();
    let mut stream = place.guest().connect()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let took = started.elapsed();
    assert!(took > Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_served(place.guest(), &place.ground.instance)
}
