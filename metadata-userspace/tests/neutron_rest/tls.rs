//! Keystone and Neutron behind TLS: a private authority, a client certificate.

use anyhow::Result;
use xtask::lab::daemon::Setup;

use super::{Region, service_user};
use crate::authority::{Authority, Files};
use crate::cloud::Cloud;

fn region(authority: &Authority, options: &[(&str, String)]) -> Result<Region> {
    let cloud = Cloud::with_tls(authority.acceptor("127.0.0.1")?)?;
    let auth_url = cloud.auth_url("https");
    Region::with(cloud, 1, |setup| {
        let setup = service_user(setup, &auth_url);
        let set = |setup: Setup, (name, value): &(&str, String)| {
            setup.group_option("neutron", name, value)
        };
        options.iter().fold(setup, set)
    })
}

#[test]
fn a_private_authority_and_a_client_certificate() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let pair = authority.pair("metadatad")?;
    let region = region(
        &authority,
        &[
            ("cafile", files.write("ca", &authority.pem())?),
            ("certfile", files.write("cert", &pair.certificate)?),
            ("keyfile", files.write("key", &pair.key)?),
        ],
    )?;
    region.corners[0].is_served()
}

#[test]
fn certificate_and_key_in_one_file_and_nothing_verified() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let pair = authority.pair("metadatad")?;
    let region = region(
        &authority,
        &[
            ("insecure", "true".to_owned()),
            ("cafile", "/does/not/exist".to_owned()),
            (
                "certfile",
                files.write("both", &(pair.certificate + &pair.key))?,
            ),
        ],
    )?;
    region.corners[0].is_served()
}

#[test]
fn a_wrong_authority_or_no_certificate_is_named_by_its_option() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let other = files.write("other", &Authority::new()?.pem())?;
    let own = files.write("ca", &authority.pem())?;
    for (cafile, part) in [(other, "[neutron] cafile"), (own, "[neutron] certfile")] {
        let mut region = region(&authority, &[("cafile", cafile)])?;
        let state = region.wait_for("keystone", false)?;
        let problem = state["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(part), "{state}");
        region.corners[0].is_put_off()?;
    }
    Ok(())
}
