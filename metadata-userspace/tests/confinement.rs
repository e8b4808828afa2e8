//! The worker of a real daemon is confined, tells nobody a secret, and serves all the same.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use xtask::lab::daemon::{Setup, send};
use xtask::lab::site::Site;
use xtask::lab::{http, proc, unique};
use xtask::process;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const PASSWORD: &str = "/openstack/2013-04-04/password";
/// `Seccomp:` of a process whose system calls are filtered (proc_pid_status(5)).
const FILTERED: &str = "2";

fn with_metrics(port: u16) -> impl FnOnce(Setup) -> Setup {
    move |setup| setup.option("metrics_listen", &format!("127.0.0.1:{port}"))
}

fn scrape(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let response = http::get(&mut stream, "/metrics", "")?;
    assert_eq!(response.status, 200);
    Ok(response.text())
}

#[test]
fn every_thread_of_the_worker_is_confined() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let worker = site.daemon.worker_pid()?;
    let seccomp = proc::status_of_threads(worker, "Seccomp")?;
    assert!(seccomp.len() > 1, "{seccomp:?}");
    assert!(seccomp.iter().all(|mode| mode == FILTERED), "{seccomp:?}");
    let privileges = proc::status_of_threads(worker, "NoNewPrivs")?;
    assert!(
        privileges.iter().all(|no_new| no_new == "1"),
        "{privileges:?}"
    );
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let all = proc::status_of_threads(worker, set)?;
        assert!(
            all.iter().all(|set| set == "0000000000000000"),
            "{set}: {all:?}"
        );
    }
    // The supervisor needs what it has.
    assert_eq!(proc::status(site.daemon.pid(), "Seccomp")?, "0");
    Ok(())
}

/// Whom Neutron's files belong to here.
const NEUTRON: u32 = 54_321;

fn neutrons(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(chown(path, Some(NEUTRON), Some(NEUTRON))?)
}

#[test]
fn what_is_neutrons_is_read_and_made_with_neutrons_rights() -> Result<()> {
    let root = tempfile::tempdir()?;
    fs::set_permissions(root.path(), Permissions::from_mode(0o755))?;
    let [etc, state] = ["etc", "state"].map(|name| root.path().join(name));
    let (inventory, socket) = (etc.join("inventory.toml"), state.join("metadata_proxy"));
    [&etc, &state].into_iter().try_for_each(fs::create_dir)?;
    let give = |text: &str| {
        fs::write(&inventory, text)?;
        neutrons(&inventory, 0o600)?;
        neutrons(&etc, 0o700)?;
        neutrons(&state, 0o755)
    };
    let mut given = Ok(());
    let options = |setup: Setup| {
        given = give(&setup.inventory);
        setup
            .default_option("state_path", &state.to_string_lossy())
            .default_option("metadata_proxy_socket", &socket.to_string_lossy())
            .option("inventory", &inventory.to_string_lossy())
    };
    let site = Site::with(METADATAD, |_| {}, options)?;
    given?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let made = fs::metadata(&socket)?;
    assert_eq!((made.uid(), made.gid()), (NEUTRON, NEUTRON));
    assert_eq!(fs::metadata(state.join("metadatad"))?.uid(), NEUTRON);
    let mut guest = site.guest.connect()?;
    let head = format!("POST {PASSWORD} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nc2Vj");
    guest.write_all(head.as_bytes())?;
    assert_eq!(http::read_response(&mut guest)?.status, 200);
    assert_eq!(site.guest.get(PASSWORD)?.text(), "c2Vj");
    Ok(())
}

#[test]
fn status_and_log_say_what_holds() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let sandbox = &site.daemon.status()?["sandbox"];
    assert_eq!(sandbox["seccomp"], true);
    let landlock = sandbox["landlock"].as_u64().context("no number")?;
    let holds = match landlock {
        0 => "seccomp; no Landlock in this kernel".to_owned(),
        abi => format!("seccomp, Landlock ABI {abi}"),
    };
    site.daemon
        .wait_log(&["INFO", "the worker is confined", &holds])?;
    let text = process::read(&mut site.daemon.command("status"))?;
    assert!(text.contains(&format!("sandbox     {holds}\n")), "{text}");
    Ok(())
}

#[test]
fn it_can_be_switched_off() -> Result<()> {
    let site = Site::with(METADATAD, |_| {}, |setup| setup.option("sandbox", "off"))?;
    let worker = site.daemon.worker_pid()?;
    assert_eq!(proc::status(worker, "Seccomp")?, "0");
    assert_eq!(site.daemon.status()?["sandbox"]["seccomp"], false);
    site.daemon.wait_log(&["WARN", "sandbox = off"])?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn a_confined_worker_answers_every_kind_of_request() -> Result<()> {
    let port = unique::loopback_port()?;
    let site = Site::with(METADATAD, |_| {}, with_metrics(port))?;
    let first = site.daemon.worker_pid()?;
    for again in [false, true] {
        if again {
            send(first, Signal::SIGKILL)?;
        }
        assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
        assert_eq!(site.guest.get("/latest/meta-data/")?.status, 200);
        let mut stream = site.guest.connect()?;
        let post = format!("POST {PASSWORD} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhush");
        stream.write_all(post.as_bytes())?;
        let status = http::read_response(&mut stream)?.status;
        // It is kept where the next worker finds it.
        assert_eq!(status, if again { 409 } else { 200 });
        assert_eq!(site.guest.get(PASSWORD)?.text(), "hush");
        assert!(scrape(port)?.contains("metadatad_"));
        assert_eq!(site.daemon.status()?["sandbox"]["seccomp"], true);
    }
    Ok(())
}

/// A Nova that answers one connection after the other.
fn nova() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    Ok(port)
}

#[test]
fn a_server_with_a_name_is_found_though_the_worker_cannot_look_for_it() -> Result<()> {
    let port = nova()?;
    let named = |setup: Setup| {
        let setup = setup.nova_port(port);
        setup.default_option("nova_metadata_host", "localhost")
    };
    let site = Site::with(METADATAD, |_| {}, named)?;
    let answer = site.guest.get("/openstack")?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    Ok(())
}

#[test]
fn a_server_whose_name_nobody_knows_is_said_to_have_none() -> Result<()> {
    let named = |setup: Setup| {
        let setup = setup.nova_port(1);
        setup.default_option("nova_metadata_host", "nova.invalid")
    };
    let site = Site::with(METADATAD, |_| {}, named)?;
    assert_eq!(site.guest.get("/openstack")?.status, 503);
    let line = [
        "nova.invalid cannot be resolved",
        "failed to lookup address",
    ];
    site.daemon.wait_log(&line)?;
    Ok(())
}

const SHARED_SECRET: &str = "shared-5ecret-of-the-test";
const BUS_SECRET: &str = "bus-5ecret-of-the-test";
const KEYSTONE_SECRET: &str = "keystone-5ecret-of-the-test";

/// Everything that a daemon with these secrets says to anybody.
fn all_that_is_said(site: &Site) -> Result<Vec<(&'static str, String)>> {
    let _ = site.guest.get(DOCUMENT)?;
    let check = site.daemon.command("check").arg("--json").output()?;
    let json: Value = serde_json::from_slice(&check.stdout)?;
    assert!(json.is_object(), "{json}");
    Ok(vec![
        ("status", site.daemon.status()?.to_string()),
        ("check", json.to_string()),
        (
            "complaints",
            String::from_utf8_lossy(&check.stderr).into_owned(),
        ),
        ("log", site.daemon.log()),
    ])
}

fn assert_silent(site: &Site, secrets: &[&str]) -> Result<()> {
    for (where_from, said) in all_that_is_said(site)? {
        for secret in secrets {
            assert!(!said.contains(secret), "{where_from}: {said}");
        }
    }
    Ok(())
}

fn debugging(setup: Setup) -> Setup {
    setup
        .default_option("debug", "true")
        .default_option("metadata_proxy_shared_secret", SHARED_SECRET)
}

#[test]
fn no_secret_is_told_when_all_is_well() -> Result<()> {
    let site = Site::with(METADATAD, |_| {}, debugging)?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    assert_silent(&site, &[SHARED_SECRET])
}

#[test]
fn the_password_of_the_message_bus_is_not_told_when_it_is_away() -> Result<()> {
    let port = unique::loopback_port()?;
    let url = format!("rabbit://neutron:{BUS_SECRET}@127.0.0.1:{port}/");
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| {
            debugging(setup)
                .default_option("transport_url", &url)
                .option("resolver", "neutron-rpc")
                .option("identity_timeout", "1")
        },
    )?;
    assert_silent(&site, &[SHARED_SECRET, BUS_SECRET])
}

#[test]
fn the_password_of_the_service_user_is_not_told_when_keystone_is_away() -> Result<()> {
    let port = unique::loopback_port()?;
    let neutron = format!(
        "[neutron]\nauth_type = password\nauth_url = http://127.0.0.1:{port}\n\
         username = u\npassword = {KEYSTONE_SECRET}\nuser_domain_name = d\n\
         project_name = p\nproject_domain_name = d\n"
    );
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| {
            debugging(setup)
                .option("resolver", "neutron-rest")
                .option("identity_timeout", "1")
                .sections(&neutron)
        },
    )?;
    assert_silent(&site, &[SHARED_SECRET, KEYSTONE_SECRET])
}
