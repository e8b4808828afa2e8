//! The laboratory itself: the suites rely on it to be what it says, and to go.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use anyhow::{Result, anyhow};
use xtask::lab::guest::Guest;
use xtask::lab::router::{Router, Subnet};

#[test]
fn a_guest_reaches_its_own_router_through_its_own_cable() -> Result<()> {
    let (router, twin) = (Router::create()?, Router::create()?);
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    let _guest_of_twin = Guest::behind(&twin, Subnet::TUTORIAL)?;
    let address = SocketAddrV4::new(Ipv4Addr::new(17, 17, 17, 1), 7);
    let listener = router.namespace().enter(|| TcpListener::bind(address))??;
    let peer = thread::spawn(move || {
        let (mut stream, peer) = listener.accept()?;
        stream.write_all(peer.ip().to_string().as_bytes())?;
        anyhow::Ok(())
    });
    let mut answer = String::new();
    guest
        .connect_to(address.into())?
        .read_to_string(&mut answer)?;
    peer.join()
        .map_err(|_| anyhow!("the listener panicked"))??;
    assert_eq!(answer, "17.17.17.5");
    let neighbours = router.namespace().ip("neighbour show")?;
    assert!(neighbours.contains(&guest.mac), "{neighbours}");
    Ok(())
}

#[test]
fn namespaces_are_removed_when_a_test_panics() -> Result<()> {
    let router = Router::create()?;
    let path = router.namespace().path();
    assert!(path.exists());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _owned = router;
        assert!(!path.exists(), "as a failing test does");
    }));
    assert!(panicked.is_err());
    assert!(!path.exists());
    Ok(())
}
