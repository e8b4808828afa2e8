//! A guest posts its password once, its body in a segment of its own, as
//! cloudbase-init does.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use xtask::lab::http;

use crate::place::{Kind, Place};

const PATH: &str = "/openstack/2013-04-04/password";

crate::in_each_kind!(a_password_arrives_whole);

fn a_password_arrives_whole(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let password = "x".repeat(900);
    for status in [200, 409] {
        let mut stream = place.guest().connect()?;
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: {}\r\n\r\n",
            password.len()
        );
        stream.write_all(head.as_bytes())?;
        sleep(Duration::from_millis(200));
        stream.write_all(password.as_bytes())?;
        assert_eq!(http::read_response(&mut stream)?.status, status);
    }
    assert_eq!(place.guest().get(PATH)?.text(), password);
    Ok(())
}
