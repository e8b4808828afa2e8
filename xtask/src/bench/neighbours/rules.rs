//! Neutron's rules that packets meet which are forwarded.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};

use crate::lab::guest::Guest;
use crate::lab::router::Router;

/// Those about metadata. The ones of INPUT concern nothing that is forwarded.
///
/// # Errors
/// When iptables refuses one.
pub(super) fn add_those_for_metadata(router: &Router) -> Result<()> {
    router.add_neutron_rules()?;
    // https://bugs.launchpad.net/neutron/+bug/1920778: else the default route may take
    // metadata out.
    let never_out = "iptables -w -A FORWARD -m mark --mark 0x1/0xffff -j DROP";
    router.namespace().sh(never_out).map(drop)
}

/// All that the l3-agent puts into the namespace of a router with an interface to each of
/// these guests, in one address scope, and without an external network.
///
/// # Errors
/// When iptables refuses one.
pub(super) fn add_all(router: &Router, guests: [&Guest; 2]) -> Result<()> {
    let interfaces = guests.map(|guest| guest.router_interface.as_str());
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(all(interfaces)?.as_bytes())?;
    let path = file.path().to_str().context("a path that is no text")?;
    let restore = format!("iptables-restore --wait=60 {path}");
    router.namespace().sh(&restore).map(drop)
}

fn all(interfaces: [&str; 2]) -> Result<String> {
    let mut marks = String::new();
    let mut drops = String::new();
    for interface in interfaces {
        writeln!(
            marks,
            "-A neutron-l3-agent-scope -i {interface} -j MARK --set-xmark 0x4000000/0xffff0000"
        )?;
        writeln!(
            drops,
            "-A neutron-l3-agent-scope -o {interface} -m mark ! --mark 0x4000000/0xffff0000 -j DROP"
        )?;
    }
    Ok([MANGLE, &marks, RAW_AND_FILTER, &drops, NAT].concat())
}

const MANGLE: &str = "\
*mangle
:neutron-l3-agent-FORWARD - [0:0]
:neutron-l3-agent-INPUT - [0:0]
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-POSTROUTING - [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-floatingip - [0:0]
:neutron-l3-agent-mark - [0:0]
:neutron-l3-agent-scope - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A INPUT -j neutron-l3-agent-INPUT
-A FORWARD -j neutron-l3-agent-FORWARD
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-l3-agent-POSTROUTING
-A neutron-l3-agent-PREROUTING -j neutron-l3-agent-mark
-A neutron-l3-agent-PREROUTING -j neutron-l3-agent-scope
-A neutron-l3-agent-PREROUTING -m connmark ! --mark 0x0/0xffff0000 -j CONNMARK --restore-mark --nfmask 0xffff0000 --ctmask 0xffff0000
-A neutron-l3-agent-PREROUTING -j neutron-l3-agent-floatingip
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xffff
-A neutron-l3-agent-float-snat -m connmark --mark 0x0/0xffff0000 -j CONNMARK --save-mark --nfmask 0xffff0000 --ctmask 0xffff0000
";

const RAW_AND_FILTER: &str = "\
COMMIT
*raw
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
COMMIT
*filter
:neutron-filter-top - [0:0]
:neutron-l3-agent-FORWARD - [0:0]
:neutron-l3-agent-INPUT - [0:0]
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-local - [0:0]
:neutron-l3-agent-scope - [0:0]
-A INPUT -j neutron-l3-agent-INPUT
-A FORWARD -j neutron-filter-top
-A FORWARD -j neutron-l3-agent-FORWARD
-A OUTPUT -j neutron-filter-top
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A neutron-filter-top -j neutron-l3-agent-local
-A neutron-l3-agent-FORWARD -j neutron-l3-agent-scope
-A neutron-l3-agent-INPUT -m mark --mark 0x1/0xffff -j ACCEPT
-A neutron-l3-agent-INPUT -p tcp -m tcp --dport 9697 -j DROP
-A neutron-l3-agent-scope -m mark --mark 0x1/0xffff -j DROP
";

const NAT: &str = "\
COMMIT
*nat
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-POSTROUTING - [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-snat - [0:0]
:neutron-postrouting-bottom - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-l3-agent-POSTROUTING
-A POSTROUTING -j neutron-postrouting-bottom
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-postrouting-bottom -m comment --comment \"Perform source NAT on outgoing traffic.\" -j neutron-l3-agent-snat
COMMIT
";
