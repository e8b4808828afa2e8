//! Bodies of many segments: with segmentation offload the programs see packets
//! of up to 64 KiB whose checksums are not computed yet.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Result, anyhow};
use xtask::lab::http;
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const MEBIBYTE: usize = 1 << 20;

/// No two positions look the same, so that a swapped segment shows.
fn user_data() -> String {
    let mut text = String::with_capacity(MEBIBYTE + 16);
    let mut line = 0;
    while text.len() < MEBIBYTE {
        text += &format!("{line:09}\n");
        line += 1;
    }
    text
}

fn site(user_data: &str) -> Result<Site> {
    Site::with(
        METADATAD,
        |instance| instance.user_data = Some(user_data.to_owned()),
        |setup| setup,
    )
}

#[test]
fn a_mebibyte_of_user_data_arrives_byte_for_byte() -> Result<()> {
    let user_data = user_data();
    let site = site(&user_data)?;
    for path in ["/openstack/latest/user_data", "/latest/user-data"] {
        let response = site.guest.get(path)?;
        assert_eq!(response.status, 200);
        assert!(response.body == user_data.as_bytes(), "{path} differs");
    }
    Ok(())
}

#[test]
fn it_does_with_every_offload_switched_off_too() -> Result<()> {
    let user_data = user_data();
    let site = site(&user_data)?;
    let interface = &site.guest.router_interface;
    let off = "tso off gso off gro off tx off rx off sg off";
    site.router
        .namespace()
        .sh(&format!("ethtool -K {interface} {off}"))?;
    site.guest
        .namespace()
        .sh(&format!("ethtool -K eth0 {off}"))?;
    let response = site.guest.get("/openstack/latest/user_data")?;
    assert!(response.body == user_data.as_bytes(), "it differs");
    Ok(())
}

#[test]
fn guests_that_read_slowly_get_all_of_it() -> Result<()> {
    let user_data = user_data();
    let site = site(&user_data)?;
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| read_slowly(&site, &user_data)))
            .collect();
        for reader in readers {
            reader.join().map_err(|_| anyhow!("a reader panicked"))??;
        }
        Ok(())
    })
}

fn read_slowly(site: &Site, user_data: &str) -> Result<()> {
    let mut stream = site.guest.connect()?;
    stream.write_all(
        b"GET /openstack/latest/user_data HTTP/1.1\r\nHost: metadata\r\nConnection: close\r\n\r\n",
    )?;
    let mut received = Vec::new();
    let mut piece = vec![0; 32 * 1024];
    loop {
        match stream.read(&mut piece)? {
            0 => break,
            length => received.extend_from_slice(&piece[..length]),
        }
        sleep(Duration::from_millis(10));
    }
    let response = http::read_response(&mut received.as_slice())?;
    assert!(response.body == user_data.as_bytes(), "it differs");
    Ok(())
}

#[test]
fn a_large_document_is_whole() -> Result<()> {
    let meta: Vec<(String, String)> = (0..500)
        .map(|number| (format!("key-{number}"), "v".repeat(255)))
        .collect();
    let site = Site::with(
        METADATAD,
        |instance| instance.meta = meta.clone(),
        |setup| setup,
    )?;
    let document = site.guest.get("/openstack/latest/meta_data.json")?.json()?;
    for (key, value) in &meta {
        assert_eq!(document["meta"][key], *value);
    }
    Ok(())
}
