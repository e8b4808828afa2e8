//! What cloud-init asks an OpenStack cloud for at an instance's first boot
//! (cloudinit/sources/DataSourceOpenStack.py, helpers/openstack.py and helpers/ec2.py).

use super::reader::{GaveUp, Reader};

/// The newest version that cloud-init knows (`OS_ROCKY`).
const VERSION: &str = "2018-08-27";
const EC2: &str = "/latest/meta-data/";

/// Asks for everything, in cloud-init's order; on a connection for each, one after the
/// other. Of what cloud-init would do without nothing may be missing.
///
/// # Errors
/// When cloud-init gives up on one of them.
pub(super) fn crawl(reader: &mut Reader<'_>) -> Result<(), GaveUp> {
    reader.probe("/openstack")?;
    // Without the list it takes `latest`.
    let versions = reader
        .document("/openstack")
        .ok()
        .flatten()
        .unwrap_or_default();
    let is_known = versions.lines().any(|line| line.trim() == VERSION);
    let version = if is_known { VERSION } else { "latest" };
    for (name, is_required) in [
        ("meta_data.json", true),
        ("user_data", false),
        ("vendor_data.json", true),
        ("vendor_data2.json", true),
        ("network_data.json", true),
    ] {
        let found = reader.document(&format!("/openstack/{version}/{name}"))?;
        if is_required && found.is_none() {
            return Err(GaveUp);
        }
    }
    let names = reader.ec2(EC2)?;
    materialize(reader, EC2, &names)
}

/// `MetadataMaterializer`: directories first, then leaves.
fn materialize(reader: &mut Reader<'_>, base: &str, names: &str) -> Result<(), GaveUp> {
    let (children, leaves) = parse(names);
    for child in children {
        let path = format!("{base}{child}/");
        let names = reader.ec2(&path)?;
        materialize(reader, &path, &names)?;
    }
    leaves
        .iter()
        .try_for_each(|leaf| reader.ec2(&format!("{base}{leaf}")).map(drop))
}

/// Directories and leaves in a list of names. A key of `public-keys` has its name behind
/// its number, and is a directory with one leaf.
fn parse(names: &str) -> (Vec<String>, Vec<String>) {
    let (mut children, mut leaves) = (Vec::new(), Vec::new());
    for name in names.lines().map(str::trim) {
        if let Some(child) = name.strip_suffix('/') {
            children.push(child.to_owned());
        } else if let Some((number, _)) = name.split_once('=') {
            leaves.push(format!("{number}/openssh-key"));
        } else if !name.is_empty() {
            leaves.push(name.to_owned());
        }
    }
    (children, leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_directories_leaves_and_keys() {
        let (children, leaves) = parse("ami-id\nplacement/\n0=my=key\n");
        assert_eq!(children, ["placement"]);
        assert_eq!(leaves, ["ami-id", "0/openssh-key"]);
    }
}
