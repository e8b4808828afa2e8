use super::*;
use crate::config::{Config, ConfigSource, ConfigSources};

fn load(text: &str) -> Result<OvnConfig, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[metadatad]\nresolver = ovn\n{text}")).unwrap();
    let sources = ConfigSources {
        from: vec![ConfigSource::File(file.path().into())],
        inventory: None,
    };
    let config = Config::load(&sources).map_err(|errors| errors.to_string())?;
    assert_eq!(config.notes, []);
    Ok(config.ovn.unwrap())
}

#[test]
fn defaults_are_neutrons() {
    let ovn = load("").unwrap();
    let names: Vec<_> = ovn.southbound.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["tcp:127.0.0.1:6642"]);
    assert_eq!(ovn.tls, None);
    assert_eq!(ovn.probe, Some(Duration::from_secs(60)));
    assert_eq!(ovn.patience, Duration::from_secs(180));
    assert_eq!(ovn.agent_down_time, Duration::from_secs(75));
}

#[test]
fn probes_come_once_a_second_at_most_or_never() {
    let probe = |text: &str| {
        load(&format!("[ovn]\novsdb_probe_interval = {text}\n"))
            .unwrap()
            .probe
    };
    assert_eq!(probe("0"), None);
    assert_eq!(probe("10"), Some(Duration::from_secs(1)));
}

#[test]
fn tls_needs_its_three_files() {
    let ssl = "[ovn]\novn_sb_connection = tcp:127.0.0.1:6642,ssl:127.0.0.1:6642\n";
    let errors = load(&format!("{ssl}ovn_sb_certificate = /c\n")).unwrap_err();
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(
        errors.contains("[ovn] ovn_sb_private_key: must be set"),
        "{errors}"
    );
    assert!(
        errors.contains("[ovn] ovn_sb_ca_cert: must be set"),
        "{errors}"
    );
    let files = "ovn_sb_private_key = /k\novn_sb_certificate = /c\novn_sb_ca_cert = /a\n";
    assert!(load(&format!("{ssl}{files}")).unwrap().tls.is_some());
}

#[test]
fn unix_sockets_are_known_to_the_supervisor() {
    let text = "[ovn]\novn_sb_connection = unix:/run/sb,tcp:127.0.0.1:1\n\
                [ovs]\novsdb_connection = unix:/run/ovs\n";
    let ovn = load(text).unwrap();
    let sockets: Vec<_> = ovn.unix_sockets().collect();
    assert_eq!(sockets, [Path::new("/run/sb"), Path::new("/run/ovs")]);
}
