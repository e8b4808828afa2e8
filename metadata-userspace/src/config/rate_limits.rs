//! How many requests a guest may make in a time.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::option::Opt;
use super::options as table;
use super::reader::Reader;
use super::types::Integer;

/// The limits of a namespace's guests, whoever wrote them down: `[metadata_rate_limiting]`,
/// or the configuration that Neutron made for a haproxy. Neither family: no limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimits {
    /// Whether requests over IPv4 are limited.
    pub ipv4: bool,
    /// Whether requests over IPv6 are limited.
    pub ipv6: bool,
    pub base: RateWindow,
    /// Holds beside the base window.
    pub burst: RateWindow,
}

/// At most `requests` in any time of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateWindow {
    pub duration: Duration,
    pub requests: u32,
}

/// An item of `ip_versions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IpVersion {
    V4,
    V6,
}

impl RateLimits {
    /// `None`: guests may ask as often as they like.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let enabled = reader.read(&table::RATE_LIMIT_ENABLED);
        let versions = reader.read(&table::IP_VERSIONS);
        let limits = Self {
            ipv4: versions.contains(&IpVersion::V4),
            ipv6: versions.contains(&IpVersion::V6),
            base: window(
                reader,
                &table::BASE_WINDOW_DURATION,
                &table::BASE_QUERY_RATE_LIMIT,
            ),
            burst: window(
                reader,
                &table::BURST_WINDOW_DURATION,
                &table::BURST_QUERY_RATE_LIMIT,
            ),
        };
        enabled.then_some(limits)
    }

    /// Whether they hold for a request from `address`, IPv4-mapped ones unmapped.
    pub fn hold_for(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }

    /// The longer of the two windows.
    pub fn longest(&self) -> Duration {
        self.base.duration.max(self.burst.duration)
    }

    /// Both windows.
    pub fn windows(&self) -> [RateWindow; 2] {
        [self.base, self.burst]
    }
}

fn window(
    reader: &mut Reader<'_>,
    duration: &'static Opt<Integer>,
    requests: &'static Opt<Integer>,
) -> RateWindow {
    RateWindow {
        duration: Duration::from_secs(reader.read(duration)),
        requests: u32::try_from(reader.read(requests)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
