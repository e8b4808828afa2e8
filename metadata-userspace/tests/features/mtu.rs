//! Long answers arrive whole, however small the network's frames are.

use anyhow::Result;

use crate::place::{Ground, Kind};

crate::in_each_kind!(long_answers_fit_small_frames);

fn long_answers_fit_small_frames(kind: Kind) -> Result<()> {
    let mut ground = Ground::create(kind)?;
    let long = "0123456789abcdef".repeat(3000);
    ground.instance.user_data = Some(long.clone());
    ground.guest.namespace().ip("link set eth0 mtu 1280")?;
    let interface = &ground.interface;
    ground
        .home
        .namespace()
        .ip(&format!("link set {interface} mtu 1280"))?;
    let place = ground.served()?;
    let path = "/openstack/latest/user_data";
    assert_eq!(place.guest().get(path)?.body, long.as_bytes());
    assert_eq!(place.guest().get_ipv6(path)?.body, long.as_bytes());
    Ok(())
}
