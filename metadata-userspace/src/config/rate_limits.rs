//! How many requests a guest may make in a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of a namespace's guests, whoever wrote them down: `[metadata_rate_limiting]`,
/// or the configuration that Neutron made for a haproxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    pub duration: Duration,
    pub requests: u32,
}
