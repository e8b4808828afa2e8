//! Link-local addresses made of a MAC (RFC 4291, appendix A), and the MAC in them.

use std::net::{IpAddr, Ipv6Addr};

use crate::identity::MacAddr;

/// The local/universal bit, which an interface identifier has inverted.
const LOCAL: u8 = 0x02;

/// The MAC that an EUI-64 interface identifier was made of.
///
/// Neutron does not look for the `ff:fe` in its middle and takes any identifier
/// for one; another guest's MAC could come out.
pub fn mac_of(address: Ipv6Addr) -> Option<MacAddr> {
    match address.octets() {
        [_, _, _, _, _, _, _, _, a, b, c, 0xff, 0xfe, d, e, f] => {
            Some(MacAddr([a ^ LOCAL, b, c, d, e, f]))
        }
        _ => None,
    }
}

/// The link-local address that a host with this MAC has by default.
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ LOCAL,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ])
}

/// Whether an address counts on one link only, and is IPv6: guests make those
/// themselves, and no port lists them.
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address.to_canonical(), IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_mac_survives_in_its_link_local_address() {
        let mac: MacAddr = "fa:16:3e:00:00:05".parse().unwrap();
        let address = link_local(mac);
        assert_eq!(address.to_string(), "fe80::f816:3eff:fe00:5");
        assert_eq!(mac_of(address), Some(mac));
    }

    #[test]
    fn other_identifiers_hold_no_mac() {
        assert_eq!(mac_of("fe80::1:2:3:4".parse().unwrap()), None);
    }
}
