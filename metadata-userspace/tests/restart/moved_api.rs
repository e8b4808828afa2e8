//! The embedded API gets another port: the worker of before asks at the one it knows until it
//! has left.

use std::io::Write;
use std::net::TcpStream;

use anyhow::Result;
use xtask::lab::site::Site;
use xtask::lab::{http, unique, wait};

use crate::load::during;
use crate::reload::reload;
use crate::taken::{change, value};
use crate::{LIMIT, METADATAD, Served, guest_of, wait_ended};

const PORT: &str = "nova_metadata_port";
/// More than the connections to the API that a worker keeps, each of which is asked for by
/// itself.
const DOCUMENTS: [&str; 8] = [
    "/openstack/latest/meta_data.json",
    "/openstack/latest/network_data.json",
    "/openstack/latest/vendor_data.json",
    "/openstack/2012-08-10/meta_data.json",
    "/openstack/2013-04-04/meta_data.json",
    "/openstack/2013-10-17/meta_data.json",
    "/latest/meta-data/instance-id",
    "/latest/meta-data/hostname",
];

fn listens(port: &str) -> Result<bool> {
    Ok(TcpStream::connect(("127.0.0.1", port.parse()?)).is_ok())
}

#[test]
fn the_worker_of_before_reaches_the_api_of_before() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let old = value(&site, PORT)?;
    let mut begun = Vec::new();
    for document in DOCUMENTS {
        let mut connection = site.guest.connect()?;
        let request = format!("GET {document} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
        let (first, rest) = request.split_at(request.len() / 2);
        connection.write_all(first.as_bytes())?;
        begun.push((connection, rest.to_owned()));
    }
    // They were accepted, and their worker knows that they have begun.
    assert_eq!(site.guest.get("/openstack")?.status, 200);
    change(&site, PORT, &unique::loopback_port()?.to_string())?;
    let before = reload(&mut site)?;
    assert_eq!(site.guest.get(DOCUMENTS[0])?.status, 200);
    for (connection, rest) in &mut begun {
        connection.write_all(rest.as_bytes())?;
    }
    for (document, (mut connection, _)) in DOCUMENTS.iter().zip(begun) {
        let answer = http::read_response(&mut connection)?;
        assert_eq!(answer.status, 200, "{document}: {}", answer.text());
    }
    wait_ended(before)?;
    wait::until("nobody listens at the port of before", 2 * LIMIT, || {
        Ok(!listens(&old)?)
    })?;
    assert_eq!(site.guest.get(DOCUMENTS[1])?.status, 200);
    Ok(())
}

#[test]
fn no_request_fails_while_the_api_moves_and_comes_back() -> Result<()> {
    let mut served = Served::create()?;
    let guest = guest_of(&served.site);
    let (kept, old) = (served.manager.kept(), value(&served.site, PORT)?);
    let new = unique::loopback_port()?.to_string();
    let tally = during(&guest, || {
        for port in [&new, &old, &new] {
            change(&served.site, PORT, port)?;
            reload(&mut served.site)?;
        }
        change(&served.site, PORT, &old)?;
        let worker = served.site.daemon.worker_pid()?;
        served.restart()?;
        wait_ended(worker)
    })?;
    tally.assert_served("reloads and a restart with the API elsewhere");
    wait::until("the same is kept as before", 2 * LIMIT, || {
        Ok(served.manager.kept() == kept)
    })?;
    assert!(listens(&old)? && !listens(&new)?);
    Ok(())
}
