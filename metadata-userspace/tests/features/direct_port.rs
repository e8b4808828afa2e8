//! The proxy's own port is closed to guests, at every address.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use anyhow::Result;
use nix::net::if_::if_nametoindex;
use xtask::lab::guest::METADATA_IPV6;
use xtask::lab::router::PROXY_PORT;

use crate::place::{Kind, Place, assert_served};

crate::in_each_kind!(guests_cannot_reach_the_proxy_past_the_datapath);

fn guests_cannot_reach_the_proxy_past_the_datapath(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let guest = place.guest();
    let vip = Ipv4Addr::new(169, 254, 169, 254);
    let gateway = Ipv4Addr::new(17, 17, 17, 1);
    let interface = guest.namespace().enter(|| if_nametoindex("eth0"))??;
    let limit = Duration::from_millis(700);
    for closed in [
        SocketAddr::from((vip, PROXY_PORT)),
        SocketAddr::from((gateway, PROXY_PORT)),
        SocketAddrV6::new(METADATA_IPV6, PROXY_PORT, 0, interface).into(),
    ] {
        assert!(guest.connect_within(closed, limit).is_err(), "{closed}");
    }
    assert_served(guest, &place.ground.instance)
}
