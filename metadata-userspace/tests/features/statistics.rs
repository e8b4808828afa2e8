//! Operators have statistics, and guests have not.

use anyhow::Result;

use crate::DOCUMENT;
use crate::place::{Kind, Place};

crate::in_each_kind!(statistics_are_for_operators);

fn statistics_are_for_operators(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let guest = place.guest();
    assert_eq!(guest.get(DOCUMENT)?.status, 200);
    for path in ["/metrics", "/status", "/monitoruri", "/admin/stats"] {
        assert_eq!(guest.get(path)?.status, 404, "{path}");
    }
    let socket = place.daemon.admin_socket();
    let metrics = xtask::process::read(
        std::process::Command::new("curl")
            .args(["--silent", "--unix-socket"])
            .arg(socket)
            .arg("http://localhost/metrics"),
    )?;
    let answered = "metadatad_proxy_requests_total{status=\"200\"} 1";
    assert!(metrics.contains(answered), "{metrics}");
    Ok(())
}
