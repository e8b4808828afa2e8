//! Who asked, as the next hop is told: the plain source address, whatever the guest
//! claims.

use anyhow::Result;
use xtask::lab::http::{self};

use crate::identity_header::StandIn;
use crate::place::{Ground, Kind};

crate::in_each_kind!(the_agent_is_told_the_source_address);

fn the_agent_is_told_the_source_address(kind: Kind) -> Result<()> {
    let agent = StandIn::start()?;
    let ground = Ground::create(kind)?;
    let setup = agent.before(ground.setup()?);
    let place = ground.served_by(setup)?;
    let claim = "X-Forwarded-For: 10.9.8.7\r\nx_forwarded_for: 10.9.8.6\r\n";
    place.guest().get_with("/", claim)?;
    assert_eq!(agent.header("x-forwarded-for")?, ["17.17.17.5"]);
    let mut stream = place.guest().connect_ipv6()?;
    http::get(&mut stream, "/", claim)?;
    let told = agent.header("x-forwarded-for")?;
    assert_eq!(told.len(), 1, "{told:?}");
    // The link-local address that Neutron's agent takes the MAC out of, without a zone.
    let eui64 = eui64_of(&place.guest().mac)?;
    assert_eq!(told[0].parse::<std::net::Ipv6Addr>()?, eui64);
    Ok(())
}

/// RFC 4291, appendix A.
fn eui64_of(mac: &str) -> Result<std::net::Ipv6Addr> {
    let octets: Result<Vec<u8>, _> = mac
        .split(':')
        .map(|one| u8::from_str_radix(one, 16))
        .collect();
    let [a, b, c, d, e, f] = octets?[..] else {
        anyhow::bail!("{mac} is no MAC");
    };
    let mut address = [0; 16];
    address[..2].copy_from_slice(&[0xfe, 0x80]);
    address[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ok(address.into())
}
