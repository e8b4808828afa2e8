//! Which namespaces are served, and as whose.

use anyhow::Result;

use crate::place::{Kind, Place};

crate::in_each_kind!(a_namespace_is_known_for_what_it_is);

fn a_namespace_is_known_for_what_it_is(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let home = &place.ground.home;
    let state = place.daemon.namespace(home.name())?.unwrap_or_default();
    let (kind, realm) = match kind {
        Kind::Router => ("router", "router"),
        Kind::Dhcp => ("dhcp", "network"),
        Kind::Ovn => ("ovn", "network"),
    };
    assert_eq!(state["kind"], kind);
    assert_eq!(state["realm"][realm], home.id());
    assert_eq!(state["inode"], home.namespace().inode()?);
    let interfaces = state["interfaces"].as_array().map(Vec::len);
    assert_eq!(interfaces, Some(1), "{state}");
    assert_eq!(state["interfaces"][0]["name"], place.ground.interface);
    Ok(())
}
