//! Distributed routers: every compute node has the router's namespace, with the same
//! addresses and MACs, and answers its own guests.

use anyhow::Result;

use crate::place::{Ground, Kind, assert_is_of, assert_served};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::inventory;
use xtask::lab::router::Subnet;

use crate::{DOCUMENT, METADATAD};

#[test]
fn l3() -> Result<()> {
    // The namespaces beside a distributed router's own must be left alone.
    let ground = Ground::of(Kind::Router, Subnet::TUTORIAL, "here")?;
    let id = ground.home.id().to_owned();
    let snat = xtask::lab::namespace::Namespace::create(&format!("snat-{id}"))?;
    let fip = xtask::lab::namespace::Namespace::create(&format!("fip-{id}"))?;
    for (namespace, interface) in [(&snat, "sg-7d5e955b-99"), (&fip, "fg-7d5e955b-99")] {
        namespace.ip(&format!("link add {interface} type bridge"))?;
    }
    let inside = ground.home.namespace();
    inside.ip("link add rfp-7d5e955b type bridge")?;
    inside.ip("link set rfp-7d5e955b up")?;
    inside.ip("address add 169.254.106.114/31 dev rfp-7d5e955b")?;
    let names = [
        ground.home.name(),
        snat.name(),
        fip.name(),
        "snat-*",
        "fip-*",
    ];
    let inventory = inventory::file(std::slice::from_ref(&ground.instance))?;
    let setup = Setup::new(METADATAD, &names, inventory)?;
    let daemon = Daemon::serving(setup, &[ground.home.name()])?;
    assert_served(&ground.guest, &ground.instance)?;
    assert_is_of(&ground.guest.get_ipv6(DOCUMENT)?, &ground.instance)?;
    for left_alone in [&snat, &fip] {
        assert_eq!(daemon.namespace(left_alone.name())?, None);
        assert!(!left_alone.sh("bpftool net")?.contains("metadata_"));
        assert_eq!(left_alone.ip("route show table local 169.254.169.254")?, "");
    }
    let net = inside.sh("bpftool net")?;
    assert!(!net.contains("rfp-"), "{net}");
    Ok(())
}
