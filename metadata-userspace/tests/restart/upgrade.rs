//! Another version of the programs in the kernel, in the place of those that serve.

use std::fs;

use anyhow::Result;
use metadata_ebpf::ABI_VERSION;
use xtask::lab::wait;

use crate::load::during;
use crate::service::report;
use crate::{DOCUMENT, LIMIT, Served, guest_of};

#[test]
fn no_request_fails_when_the_version_of_the_programs_changes() -> Result<()> {
    // Up and down, several times.
    const OTHERS: [u32; 4] = [
        ABI_VERSION - 1,
        ABI_VERSION + 1,
        ABI_VERSION - 1,
        ABI_VERSION + 1,
    ];
    let mut served = Served::create()?;
    let guest = guest_of(&served.site);
    let pins = |served: &Served, version: u32| {
        let bpffs = served.site.daemon.bpffs();
        bpffs.join(format!("v{version}"))
    };
    let tally = during(&guest, || {
        for other in OTHERS {
            let programs = served.site.daemon.status()?["programs"].clone();
            fs::rename(pins(&served, ABI_VERSION), pins(&served, other))?;
            served.restart()?;
            assert_ne!(served.site.daemon.status()?["programs"], programs);
            wait::until("the other version's pins are gone", LIMIT, || {
                Ok(!pins(&served, other).exists())
            })?;
            assert!(pins(&served, ABI_VERSION).join("maps/verdicts").exists());
        }
        Ok(())
    })?;
    report("changes of version", &tally);
    assert_eq!(tally.failed, [""; 0]);
    assert_eq!(served.site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
