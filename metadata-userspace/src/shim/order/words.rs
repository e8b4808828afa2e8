//! Single words of haproxy's configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Problem, shown};
use super::{Bind, Facility, Header};

/// Nobody means longer times.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

pub(super) fn count(text: &str) -> Result<u32, Problem> {
    text.parse()
        .map_err(|_| format!("`{}` is no number", shown(text)))
}

/// A time as haproxy writes it; a number alone is in milliseconds.
pub(super) fn seconds(text: &str) -> Result<Duration, Problem> {
    let wrong = || format!("`{}` is no time", shown(text));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" | "" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let time = number.checked_mul(milliseconds).map(Duration::from_millis);
    time.filter(|time| *time <= LONGEST).ok_or_else(wrong)
}

/// `None` for a server somewhere in the network: what a shim has to say goes to this
/// host's log.
pub(super) fn log(address: &str, facility: &str) -> Result<Option<(PathBuf, Facility)>, Problem> {
    let facility = Facility::named(facility)
        .ok_or_else(|| format!("`{}` is no facility of syslog", shown(facility)))?;
    let is_here = address.starts_with('/');
    Ok(is_here.then(|| (PathBuf::from(address), facility)))
}

pub(super) fn header(name: &str) -> Result<Header, Problem> {
    let headers = [
        ("X-Neutron-Router-ID", Header::Router),
        ("X-Neutron-Network-ID", Header::Network),
        ("X-OVN-Network-ID", Header::OvnNetwork),
    ];
    let mut known = headers.into_iter();
    let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found
        .map(|(_, header)| header)
        .ok_or_else(|| format!("`{}` is no identity header of Neutron's", shown(name)))
}

/// IPv6 addresses stand in brackets since Neutron 2026.2; before, the last colon is
/// the port's (LP 2158258).
pub(super) fn bind(text: &str, interface: Option<&str>) -> Result<Bind, Problem> {
    let wrong = || format!("`{}` is no address and port", shown(text));
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|&port| port != 0);
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'));
    let address: Option<IpAddr> = match (address, bare) {
        ("" | "*", _) => Some(Ipv4Addr::UNSPECIFIED.into()),
        (_, Some(bare)) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        (address, None) => address.parse().ok(),
    };
    Ok(Bind {
        address: address.ok_or_else(wrong)?,
        port: port.ok_or_else(wrong)?,
        interface: interface.map(str::to_owned),
    })
}
