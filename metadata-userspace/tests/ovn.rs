//! The ovn resolver before a real southbound database: whose port asks, whatever
//! happens to ports, servers and the connections to them.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "ovn/cloud.rs"]
mod cloud;
#[path = "ovn/faults.rs"]
mod faults;
#[path = "ovn/liveness.rs"]
mod liveness;
#[path = "ovn/servers.rs"]
mod servers;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use cloud::{Cloud, DOCUMENT};
use serde_json::json;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::{http, unique, wait};

#[test]
fn the_answer_is_the_instance_that_has_the_port_now() -> Result<()> {
    let cloud = Cloud::start()?;
    let first = cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    // Live migration.
    let other = cloud.southbound.add_chassis("elsewhere")?;
    let there = json!({"chassis": ["uuid", other]});
    cloud.southbound.update("Port_Binding", &first, &there)?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    // The address is given to another instance.
    cloud.southbound.delete("Port_Binding", &first)?;
    let second = cloud.port("10.0.0.5", &cloud.instances[1])?;
    cloud.knowledge_grows_old();
    cloud.assert_is("10.0.0.5", &cloud.instances[1])?;
    // Shut off.
    let unbound = json!({"chassis": ["set", []], "up": false});
    cloud.southbound.update("Port_Binding", &second, &unbound)?;
    wait::until("nobody has the address", Duration::from_secs(30), || {
        Ok(cloud.get("10.0.0.5")?.status == 404)
    })
}

#[test]
fn the_same_address_in_another_network_is_another_instance() -> Result<()> {
    let cloud = Cloud::start()?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    let other = cloud.southbound.add_network()?;
    cloud.port_in(&other, "10.0.0.5", &cloud.instances[1])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    let answer = cloud.get_in(&other.id, "10.0.0.5")?;
    assert_eq!(answer.json()?["uuid"], cloud.instances[1].uuid);
    let nowhere = unique::uuid()?;
    assert_eq!(cloud.get_in(&nowhere, "10.0.0.5")?.status, 404);
    Ok(())
}

#[test]
fn a_guest_that_boots_before_its_port_is_there_waits_for_it() -> Result<()> {
    let cloud = Cloud::start_with(|setup| setup.option("identity_timeout", "10"))?;
    cloud.port("10.0.0.6", &cloud.instances[1])?;
    thread::scope(|scope| {
        let asking = scope.spawn(|| cloud.get("10.0.0.5"));
        thread::sleep(Duration::from_secs(1));
        assert!(!asking.is_finished());
        cloud.port("10.0.0.5", &cloud.instances[0])?;
        let answer = asking
            .join()
            .map_err(|_| anyhow::anyhow!("it panicked"))??;
        assert_eq!(answer.json()?["uuid"], cloud.instances[0].uuid);
        Ok(())
    })
}

#[test]
fn rows_that_were_left_behind_and_odd_ones_are_told_apart() -> Result<()> {
    let cloud = Cloud::start()?;
    let stale = cloud.port("10.0.0.5", &cloud.instances[1])?;
    cloud
        .southbound
        .update("Port_Binding", &stale, &json!({"up": false}))?;
    let row = cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    cloud.southbound.delete("Port_Binding", &stale)?;
    // Port security off: LP 2150434.
    let unknown = json!({"mac": ["set", ["unknown", "fa:16:3e:00:00:05 10.0.0.7 fd00::7"]]});
    cloud.southbound.update("Port_Binding", &row, &unknown)?;
    cloud.knowledge_grows_old();
    cloud.assert_is("10.0.0.7", &cloud.instances[0])?;
    cloud.assert_is("fd00::7", &cloud.instances[0])?;
    cloud.assert_is("fe80::f816:3eff:fe00:5", &cloud.instances[0])?;
    // A second port with the same address that is as good.
    cloud.southbound.update(
        "Port_Binding",
        &row,
        &json!({"mac": "fa:16:3e:00:00:05 10.0.0.5"}),
    )?;
    cloud.port("10.0.0.5", &cloud.instances[1])?;
    cloud.knowledge_grows_old();
    assert_eq!(cloud.get("10.0.0.5")?.status, 404);
    Ok(())
}

/// Neutron's OVN agent has haproxy add its header, and delete nothing.
#[test]
fn a_guest_behind_ovns_haproxy_cannot_choose_its_network() -> Result<()> {
    let cloud = Cloud::start()?;
    let other = cloud.southbound.add_network()?;
    cloud.port("127.0.0.5", &cloud.instances[0])?;
    cloud.port_in(&other, "127.0.0.5", &cloud.instances[1])?;
    let port = unique::loopback_port()?;
    let socket = cloud.daemon.agent_socket();
    let _haproxy = Haproxy::start_for_ovn(&cloud.network.id, port, &socket)?;
    let ours = &cloud.network.id;
    for claim in [
        String::new(),
        format!("X-OVN-Network-ID: {}\r\n", other.id),
        format!(
            "x-ovn-network-id: {}, {ours}\r\nX-OVN-Network-ID: nonsense\r\n",
            other.id
        ),
        format!(
            "X-Neutron-Network-ID: {}\r\nX-Neutron-Router-ID: {ours}\r\n",
            other.id
        ),
        "X-Forwarded-For: 127.0.0.6\r\n".to_owned(),
    ] {
        let mut guest = connect_from(Ipv4Addr::new(127, 0, 0, 5), port)?;
        let answer = http::get(&mut guest, DOCUMENT, &claim)?;
        assert_eq!(answer.status, 200, "{claim}: {}", answer.text());
        assert_eq!(answer.json()?["uuid"], cloud.instances[0].uuid, "{claim}");
    }
    Ok(())
}

fn connect_from(source: Ipv4Addr, port: u16) -> Result<impl Read + Write> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(source, 0).into())?;
    socket.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(socket)
}
