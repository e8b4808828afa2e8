//! Subnets in `address/prefix` form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A subnet like `10.0.0.0/24` or `2001:db8::/64`, without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u32,
}

/// Not a subnet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a subnet (like 10.0.0.0/24 or 2001:db8::/64, no bits set behind the prefix)")]
pub struct InvalidCidr(String);

impl Cidr {
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The prefix as an address: `255.255.255.0`, `ffff:ffff:ffff:ffff::`.
    pub fn netmask(&self) -> IpAddr {
        netmask_like(self.network, self.prefix)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address, self.netmask()) == Some(self.network)
    }
}

fn netmask_like(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(_) => {
            let host_bits = 32u32.saturating_sub(prefix);
            Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0)).into()
        }
        IpAddr::V6(_) => {
            let host_bits = 128u32.saturating_sub(prefix);
            Ipv6Addr::from(u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
        }
    }
}

/// None when the two are of different families.
fn masked(address: IpAddr, netmask: IpAddr) -> Option<IpAddr> {
    match (address, netmask) {
        (IpAddr::V4(address), IpAddr::V4(netmask)) => Some((address & netmask).into()),
        (IpAddr::V6(address), IpAddr::V6(netmask)) => Some((address & netmask).into()),
        _ => None,
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        parse(text)
            .filter(|cidr| cidr.contains(cidr.network))
            .ok_or_else(|| InvalidCidr(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Cidr> {
    let (network, prefix) = text.split_once('/')?;
    let network: IpAddr = network.parse().ok()?;
    let prefix = prefix.parse().ok()?;
    let longest = if network.is_ipv4() { 32 } else { 128 };
    (prefix <= longest).then_some(Cidr { network, prefix })
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn netmasks_are_written_as_nova_writes_them() {
        for (cidr, netmask) in [
            ("10.0.0.0/24", "255.255.255.0"),
            ("0.0.0.0/0", "0.0.0.0"),
            ("10.0.0.1/32", "255.255.255.255"),
            ("2001:db8::/64", "ffff:ffff:ffff:ffff::"),
            ("::/0", "::"),
        ] {
            let cidr: Cidr = cidr.parse().unwrap();
            assert_eq!(cidr.netmask().to_string(), netmask);
        }
    }

    #[test]
    fn membership_ends_at_the_prefix_and_at_the_family() {
        let cidr: Cidr = "10.0.0.0/30".parse().unwrap();
        assert!(cidr.contains("10.0.0.3".parse().unwrap()));
        assert!(!cidr.contains("10.0.0.4".parse().unwrap()));
        assert!(!cidr.contains("::10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for text in [
            "10.0.0.0",
            "10.0.0.1/24",
            "10.0.0.0/33",
            "::/129",
            "x/8",
            "10.0.0.0/",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
