//! Names that no other test on this machine uses.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// A random UUID, from the kernel.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn uuid() -> Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    let uuid = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(uuid.trim_end().to_owned())
}

/// Eight random hexadecimal digits.
///
/// # Errors
/// As [`uuid`].
pub fn tag() -> Result<String> {
    Ok(uuid()?.chars().take(8).collect())
}

/// Those that may not be listened on yet.
static GIVEN_PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A loopback TCP port that nobody listens on, another each time. It is below the range from
/// which the kernel takes ports for outgoing connections, so it stays free.
///
/// # Errors
/// When no port of a hundred is free.
pub fn loopback_port() -> Result<u16> {
    for _ in 0..100 {
        let random = u16::from_str_radix(&uuid()?.chars().take(4).collect::<String>(), 16)?;
        let port = 20_000 + random % 12_000;
        let mut given = GIVEN_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between 20000 and 32000")
}

/// A MAC address of the block that Neutron uses.
///
/// # Errors
/// When the kernel gives no random numbers.
pub fn mac() -> Result<String> {
    let digits: Vec<char> = tag()?.chars().collect();
    let octets: Vec<String> = digits.chunks(2).take(3).map(String::from_iter).collect();
    Ok(format!("fa:16:3e:{}", octets.join(":")))
}
