//! Servers that are away, silent or not what they should be.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::ovsdb::{Database, OvsdbServer};
use xtask::lab::proc::open_files;
use xtask::lab::{unique, wait};

use crate::cloud::Cloud;

/// Those that were known are served, and others are told to come again.
fn assert_only_the_known_are_served(cloud: &Cloud) -> Result<()> {
    let start = Instant::now();
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let stranger = cloud.get("10.0.0.6")?;
    assert_eq!(stranger.status, 503, "{}", stranger.text());
    assert!(stranger.header("retry-after").is_some());
    Ok(())
}

#[test]
fn a_server_that_is_stopped_and_started_again() -> Result<()> {
    // Each thread keeps a connection to Nova, and open files are counted.
    let mut cloud = Cloud::start_with(|setup| setup.default_option("metadata_workers", "1"))?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    let worker = cloud.daemon.worker_pid()?;
    let files = open_files(worker)?;
    cloud.southbound.stop()?;
    cloud.wait_dependency("ovsdb", false)?;
    let problem = cloud.dependency("ovsdb")?["problem"].to_string();
    assert!(problem.contains(&cloud.southbound.inet()), "{problem}");
    for _ in 0..3 {
        assert_only_the_known_are_served(&cloud)?;
    }
    cloud.southbound.start_again()?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.port("10.0.0.6", &cloud.instances[1])?;
    cloud.assert_is("10.0.0.6", &cloud.instances[1])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    wait::until("nothing is left open", Duration::from_secs(5), || {
        Ok(open_files(worker)? <= files)
    })
}

#[test]
fn a_server_that_is_paused() -> Result<()> {
    let sections = |remote: &str| {
        format!("[ovn]\novn_sb_connection = {remote}\novsdb_probe_interval = 1000\n")
    };
    let southbound = OvsdbServer::start(Database::Southbound)?;
    let sections = sections(&southbound.inet());
    let mut cloud = Cloud::on(southbound, &sections, |setup| setup)?.connected()?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    thread::sleep(Duration::from_millis(1200));
    cloud.southbound.signal(Signal::SIGSTOP)?;
    // It is not known yet that nobody answers: the first have to find out.
    let stranger = cloud.get("10.0.0.6")?;
    assert_eq!(stranger.status, 503, "{}", stranger.text());
    assert_only_the_known_are_served(&cloud)?;
    cloud.wait_dependency("ovsdb", false)?;
    assert_only_the_known_are_served(&cloud)?;
    cloud.southbound.signal(Signal::SIGCONT)?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.port("10.0.0.6", &cloud.instances[1])?;
    cloud.assert_is("10.0.0.6", &cloud.instances[1])
}

#[test]
fn servers_that_are_dead_and_servers_that_talk_nonsense_are_passed_over() -> Result<()> {
    let dead = unique::loopback_port()?;
    let southbound = OvsdbServer::start(Database::Southbound)?;
    let local = OvsdbServer::start(Database::OpenVswitch)?;
    let nonsense = nonsense(b"220 welcome\r\n")?;
    let endless = nonsense_of_brackets()?;
    let sections = format!(
        "[ovn]\novn_sb_connection = tcp:127.0.0.1:{dead},tcp:127.0.0.1:{nonsense},\
         tcp:127.0.0.1:{endless},{},{}\n",
        local.inet(),
        southbound.inet()
    );
    let mut cloud = Cloud::on(southbound, &sections, |setup| setup)?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])
}

#[test]
fn nothing_but_nonsense_is_a_reason_to_come_again() -> Result<()> {
    let southbound = OvsdbServer::start(Database::Southbound)?;
    let nonsense = nonsense(b"\x16\x03\x01\x00\x00garbage")?;
    let sections = format!("[ovn]\novn_sb_connection = tcp:127.0.0.1:{nonsense}\n");
    let mut cloud = Cloud::on(southbound, &sections, |setup| setup)?;
    let answer = cloud.get("10.0.0.5")?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    cloud.wait_dependency("ovsdb", false)?;
    let problem = cloud.dependency("ovsdb")?["problem"].to_string();
    assert!(problem.contains("does not speak OVSDB"), "{problem}");
    let log = cloud.daemon.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("does not speak OVSDB"));
    assert!(lines.count() <= 3, "{log}");
    Ok(())
}

/// Serves as long as the process lives; returns the port.
fn nonsense(bytes: &'static [u8]) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _gone = stream.write_all(bytes);
            let _more = stream.read(&mut [0; 4096]);
        }
    });
    Ok(port)
}

fn nonsense_of_brackets() -> Result<u16> {
    static BRACKETS: [u8; 4096] = [b'{'; 4096];
    nonsense(&BRACKETS)
}
