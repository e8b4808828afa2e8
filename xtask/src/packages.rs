//! Debian packages that a command needs and the machine may lack.
//!
//! None may start a service: packages come without their daemons running, and
//! cloud-init, which would configure the machine at its next boot, is unpacked
//! instead of installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{privilege, process, repository};

/// A Debian package and why it is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    pub name: &'static str,
    pub reason: &'static str,
}

const fn package(name: &'static str, reason: &'static str) -> Package {
    Package { name, reason }
}

/// For the demonstration.
pub const DEMONSTRATION: &[Package] = &[
    package("iproute2", "makes namespaces and shows their filters"),
    package("curl", "is the guest's HTTP client"),
    package("bpftool", "shows programs and maps in the kernel"),
    package("iptables", "shows that no rule is involved"),
];

/// For the test suites, besides those of the demonstration.
pub const TESTS: &[Package] = &[
    package(
        "haproxy",
        "is Neutron's proxy, tested in front of our agent",
    ),
    package("ovn-central", "has the schema of OVN's southbound database"),
    package("openvswitch-common", "has ovsdb-server and its tools"),
    package(
        "openvswitch-switch",
        "has the schema of Open vSwitch's database",
    ),
    package(
        "python3-oslo.rootwrap",
        "starts haproxies for Neutron's agents",
    ),
    package("ethtool", "switches segmentation offload off"),
    package("iputils-ping", "shows that other traffic passes"),
    package("systemd", "rates the unit"),
    package("rabbitmq-server", "is the message bus of OpenStack"),
    package("python3", "runs cloud-init"),
    package("python3-configobj", "cloud-init imports it"),
    package("python3-jinja2", "cloud-init imports it"),
    package("python3-jsonpatch", "cloud-init imports it"),
    package("python3-jsonschema", "cloud-init imports it"),
    package("python3-netifaces", "cloud-init imports it"),
    package("python3-oauthlib", "cloud-init imports it"),
    package("python3-requests", "cloud-init imports it"),
    package("python3-serial", "cloud-init imports it"),
    package("python3-yaml", "cloud-init imports it"),
];

/// For the benchmark.
pub const BENCHMARK: &[Package] = &[
    package("iproute2", "makes namespaces and attaches programs"),
    package("iptables", "steers as Neutron does today"),
    package("haproxy", "is the proxy that Neutron uses today"),
    package("nginx-light", "gives constant answers"),
    package("wrk", "makes the load"),
];

/// For the kernels, besides those of the demonstration.
pub const KERNELS: &[Package] = &[
    package("qemu-system-x86", "boots kernels without hardware for it"),
    package("kmod", "knows which modules need which"),
    package("cpio", "packs what a kernel boots to"),
    package("binutils", "strips what is packed"),
];

/// For fuzzing.
pub const FUZZING: &[Package] = &[package("g++", "libFuzzer is compiled")];

/// For the cloud. Debian's own OpenStack is too old.
pub const OPENSTACK: &[Package] = &[
    package("iproute2", "makes namespaces"),
    package("curl", "is the guest's HTTP client"),
    package("iptables", "steers as Neutron does today"),
    package("haproxy", "is the proxy that Neutron uses today"),
    package("conntrack", "Neutron's l3-agent runs it"),
    package("iputils-arping", "Neutron's l3-agent announces addresses"),
    package("radvd", "announces IPv6 routers for the l3-agent"),
    package(
        "keepalived",
        "decides which replica of an HA router is primary",
    ),
    package("dnsmasq-base", "is the DHCP server of Neutron's dhcp-agent"),
    package("python3-venv", "holds Neutron, Nova and Keystone"),
    package("python3-dev", "uwsgi is compiled"),
    package("gcc", "uwsgi is compiled"),
    package("libc6-dev", "uwsgi is compiled"),
    package("mariadb-server", "is the database of all of them"),
    package("rabbitmq-server", "is the message bus of Neutron"),
    package("ovn-central", "has the schema of OVN's southbound database"),
    package("openvswitch-common", "has the OVSDB server"),
    package("openvswitch-switch", "has the schema of a host's switch"),
];

/// For Neutron's agents under guests.
pub const LIFECYCLE: &[Package] = &[package("udhcpc", "is the guest's DHCP client")];

/// Unpacked, not installed: it is the guests' first client.
pub const CLOUD_INIT: &str = "cloud-init";

/// Installs those of `packages` that are missing.
///
/// # Errors
/// When this is not a Debian system, or apt cannot install one of them.
pub fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = packages
        .iter()
        .filter(|package| !is_installed(package.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("      installing {}: {}", package.name, package.reason);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    install_names(&names).with_context(|| {
        format!(
            "cannot install the Debian package(s) {}: install them by hand, then run this command again",
            names.join(" ")
        )
    })
}

/// Unpacks a Debian package, without installing it, below `target/unpacked`;
/// returns the directory that stands for `/`.
///
/// # Errors
/// When apt cannot download it or it cannot be unpacked.
pub fn unpack(name: &str) -> Result<PathBuf> {
    let unpacked = unpacked(name);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    eprintln!("      unpacking {name} below {}", unpacked.display());
    let parent = repository::target().join("unpacked");
    fs::create_dir_all(&parent)?;
    let work = tempfile::tempdir_in(&parent)?;
    let mut download = Command::new("apt-get");
    download.args(["download", "--quiet", name]);
    if process::read(download.current_dir(work.path())).is_err() {
        update()?;
        process::read(&mut download)
            .with_context(|| format!("cannot download the Debian package {name}"))?;
    }
    let archive = fs::read_dir(work.path())?
        .next()
        .with_context(|| format!("apt-get downloaded nothing for {name}"))??
        .path();
    let tree = work.path().join("tree");
    process::read(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([&archive, &tree]),
    )?;
    // The rename makes it appear whole or not at all.
    fs::rename(&tree, &unpacked)?;
    Ok(unpacked)
}

/// Where [`unpack`] puts a package.
#[must_use]
pub fn unpacked(name: &str) -> PathBuf {
    repository::target().join("unpacked").join(name)
}

fn is_installed(name: &str) -> bool {
    process::read(Command::new("dpkg-query").args([
        "--show",
        "--showformat=${db:Status-Status}",
        name,
    ]))
    .is_ok_and(|status| status == "installed")
}

fn install_names(names: &[&str]) -> Result<()> {
    if !process::exists("apt-get") {
        bail!("there is no apt-get on this machine");
    }
    let _no_services = ServicesStayDown::new()?;
    let attempt = || {
        let mut command = apt_get()?;
        command.args(["install", "--yes", "--quiet", "--no-install-recommends"]);
        process::read(command.args(names))
    };
    if attempt().is_err() {
        update()?;
        attempt()?;
    }
    disable_services(names)
}

/// A fresh machine's package lists are missing, an old one's name versions
/// that are gone.
fn update() -> Result<()> {
    process::read(apt_get()?.args(["update", "--quiet"]))?;
    Ok(())
}

fn apt_get() -> Result<Command> {
    let mut command = privilege::as_root("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    // Another apt may be at work, for example the unattended upgrades.
    command.args(["--option", "DPkg::Lock::Timeout=300"]);
    Ok(command)
}

/// Keeps daemons of the packages from starting at the next boot.
fn disable_services(names: &[&str]) -> Result<()> {
    if !process::exists("systemctl") {
        return Ok(());
    }
    let files = process::read(Command::new("dpkg-query").arg("--listfiles").args(names))?;
    let units: Vec<&str> = files.lines().filter_map(unit).collect();
    if units.is_empty() {
        return Ok(());
    }
    let mut disable = privilege::as_root("systemctl")?;
    process::read(disable.args(["--quiet", "disable"]).args(units)).map(drop)
}

/// The unit that a file of a package is. A template is no unit yet.
fn unit(file: &str) -> Option<&str> {
    let name = file.split_once("/lib/systemd/system/")?.1;
    let is_unit = name.ends_with(".service") || name.ends_with(".socket");
    (is_unit && !name.contains(['/', '@'])).then_some(name)
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lives, package installation starts no service: Debian's
/// invoke-rc.d and deb-systemd-invoke ask policy-rc.d, and 101 means "do not".
/// A policy that the administrator made is left alone.
struct ServicesStayDown {
    remove: bool,
}

impl ServicesStayDown {
    fn new() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { remove: false });
        }
        let mut file = tempfile::NamedTempFile::new()?;
        std::io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o755))?;
        let mut copy = privilege::as_root("install")?;
        copy.args(["--mode=0755"]).arg(file.path()).arg(POLICY);
        process::read(&mut copy)?;
        Ok(Self { remove: true })
    }
}

impl Drop for ServicesStayDown {
    fn drop(&mut self) {
        if !self.remove {
            return;
        }
        let removed = privilege::as_root("rm").and_then(|mut rm| process::read(rm.arg(POLICY)));
        if let Err(error) = removed {
            eprintln!("warning: {POLICY} stays behind and keeps services from starting: {error:#}");
        }
    }
}
