//! The commands that operators type.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http::{self, Response};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{Router, Subnet};
use xtask::lab::running::Running;
use xtask::lab::site::Site;
use xtask::lab::unique;
use xtask::process;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

fn text(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a command of metadatad with this configuration file.
fn with_config(command: &str, config: &str) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("metadatad.conf");
    fs::write(&file, config)?;
    let mut metadatad = Command::new(METADATAD);
    process::output(metadatad.args([command, "--config-file"]).arg(file))
}

#[test]
fn help_names_every_command_and_not_the_hidden_one() -> Result<()> {
    let help = process::read(Command::new(METADATAD).arg("--help"))?;
    for command in ["run", "check", "status", "api", "unload", "haproxy"] {
        let is_listed = help
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(is_listed, "{command}: {help}");
    }
    assert!(!help.contains("worker "), "{help}");
    Ok(())
}

#[test]
fn every_fault_of_a_configuration_is_named_with_its_place() -> Result<()> {
    let config = "[DEFAULT]\nnova_metadata_protocol = gopher\nmetadata_port = many\n";
    for command in ["run", "check", "api"] {
        let output = with_config(command, config)?;
        let text = text(&output);
        assert!(!output.status.success(), "{command}: {text}");
        for part in [
            "metadatad.conf",
            "nova_metadata_protocol",
            "gopher",
            "https",
            "metadata_port",
            "many",
        ] {
            assert!(text.contains(part), "{command} does not say {part}: {text}");
        }
        assert!(
            text.contains(":2") && text.contains(":3"),
            "{command} names no lines: {text}"
        );
    }
    Ok(())
}

#[test]
fn check_says_what_is_wrong_and_what_to_do_about_it() -> Result<()> {
    let config = "[metadatad]\nresolver = inventory\ninventory = /nowhere/inventory.toml\n";
    let output = with_config("check", config)?;
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("/nowhere/inventory.toml"), "{text}");
    Ok(())
}

#[test]
fn check_is_content_with_a_configuration_that_runs() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let output = process::output(&mut site.daemon.command("check"))?;
    assert!(output.status.success(), "{}", text(&output));
    Ok(())
}

#[test]
fn status_counts_what_happened() -> Result<()> {
    let site = Site::create(METADATAD)?;
    for _ in 0..3 {
        assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    }
    assert_eq!(site.guest.get("/none")?.status, 404);
    let status = site.daemon.status()?;
    assert_eq!(status["requests"]["200"], 3);
    assert_eq!(status["requests"]["404"], 1);
    assert!(
        status["verdicts"]["steered"]["packets"].as_u64() >= Some(4 * 3),
        "{status}"
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["worker"]["restarts"], 0);
    let namespace = &status["namespaces"][0];
    assert_eq!(namespace["name"], site.router.namespace().name());
    assert_eq!(namespace["inode"], site.router.namespace().inode()?);
    assert_eq!(
        namespace["interfaces"][0]["name"],
        *site.guest.router_interface
    );
    let for_people = process::read(&mut site.daemon.command("status"))?;
    assert!(
        for_people.contains(site.router.namespace().name()),
        "{for_people}"
    );
    Ok(())
}

#[test]
fn status_names_the_programs_that_the_kernel_has() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let status = site.daemon.status()?;
    let filters = format!(
        "tc -j filter show dev {} ingress",
        site.guest.router_interface
    );
    let filters: Value = serde_json::from_str(&site.router.namespace().sh(&filters)?)?;
    let id = filters
        .pointer("/1/options/prog/id")
        .or_else(|| filters.pointer("/0/options/prog/id"))
        .with_context(|| format!("no program in {filters}"))?;
    assert_eq!(status["programs"]["steer"], *id);
    Ok(())
}

#[test]
fn status_without_a_daemon_says_so() -> Result<()> {
    let config = "[metadatad]\ninventory = none.toml\nadmin_socket = /nowhere/admin.sock\n";
    let output = with_config("status", config)?;
    let text = text(&output);
    assert!(!output.status.success());
    assert!(text.contains("/nowhere/admin.sock"), "{text}");
    assert!(text.contains("metadatad run"), "{text}");
    Ok(())
}

fn metrics(mut stream: impl Read + Write) -> Result<Response> {
    http::get(&mut stream, "/metrics", "Connection: close\r\n")
}

#[test]
fn metrics_are_on_the_admin_socket_and_where_the_operator_wants_them() -> Result<()> {
    let port = unique::loopback_port()?;
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| setup.option("metrics_listen", &format!("127.0.0.1:{port}")),
    )?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let by_socket = metrics(UnixStream::connect(site.daemon.admin_socket())?)?;
    let by_port = metrics(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)?;
    for response in [by_socket, by_port] {
        let text = response.text();
        assert_eq!(response.status, 200, "{text}");
        for part in ["# TYPE", "# HELP", "status=\"200\"", "verdict=\"steered\""] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
    Ok(())
}

/// The agent of one daemon, and the metadata API in a process of its own.
#[test]
fn the_api_alone_answers_another_daemons_agent() -> Result<()> {
    let router = Router::create()?;
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    let instance = Instance::of(&guest, &router, "c1")?;
    let inventory = inventory::file(std::slice::from_ref(&instance))?;
    let name = router.namespace().name();
    let setup = Setup::new(METADATAD, &[name], inventory)?.option("embedded_api", "false");
    let daemon = Daemon::serving(setup, &[name])?;
    let response = guest.get(DOCUMENT)?;
    assert_eq!(
        response.status,
        503,
        "nobody listens there: {}",
        response.text()
    );
    assert!(response.header("retry-after").is_some());
    let mut api = Running::start(&mut daemon.command("api"))?;
    xtask::lab::wait::until(
        "the API answers",
        std::time::Duration::from_secs(10),
        || Ok(guest.get(DOCUMENT)?.status == 200),
    )?;
    assert_eq!(guest.get(DOCUMENT)?.json()?["uuid"], instance.uuid);
    xtask::lab::daemon::send(api.id(), nix::sys::signal::Signal::SIGTERM)?;
    assert!(api.wait()?.success());
    Ok(())
}

#[test]
fn the_log_has_a_line_for_each_request_and_never_the_secret() -> Result<()> {
    let secret = unique::uuid()?;
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| {
            let setup = setup.default_option("metadata_proxy_shared_secret", &secret);
            setup.default_option("debug", "true")
        },
    )?;
    let path = "/latest/meta-data/local-ipv4";
    assert_eq!(site.guest.get(path)?.status, 200);
    let who = format!("client=17.17.17.5 mac={}", site.guest.mac);
    let instance = format!("instance=\"{}\"", site.instance.uuid);
    site.daemon
        .wait_log(&[path, &who, &instance, "method=GET", "status=200"])?;
    assert!(!site.daemon.log().contains(&secret));
    Ok(())
}
