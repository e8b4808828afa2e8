//! Real cloud-init, which gives up when it has heard nothing for 10 s.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::cloud_init;

use super::Cloud;
use super::fake::{Fake, answer};

const URL: &str = "http://169.254.169.254/openstack/latest/meta_data.json";

#[test]
fn cloud_init_waits_for_a_nova_that_takes_longer() -> Result<()> {
    let cloud = Cloud::with(&[])?;
    let words = answer("200 OK", "at last");
    let _fake = Fake::start(cloud.port, &words, Duration::from_secs(15))?;
    let read = cloud_init::read(cloud.site.guest.namespace(), URL)?;
    assert_eq!(read, "at last");
    let interim = cloud
        .site
        .daemon
        .metric::<u64>("metadatad_proxy_interim_answers_total")?;
    assert!(interim > 0);
    Ok(())
}
