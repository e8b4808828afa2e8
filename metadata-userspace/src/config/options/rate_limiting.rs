//! Options of Neutron's agents that limit how often guests may ask.

use super::super::rate_limits::IpVersion;
use super::super::types::{Boolean, Choices, Integer};
use super::{SECONDS, options};

const GROUP: &str = "metadata_rate_limiting";

const REQUESTS: Integer = Integer {
    min: 1,
    max: u32::MAX as u64,
};

options! {
    /// Limit how often a guest may ask; 429 with Retry-After above.
    RATE_LIMIT_ENABLED: Boolean = GROUP "rate_limit_enabled" default "false" Boolean;
    /// Over which a guest's requests are limited. Both count together: unlike
    /// Neutron's haproxy, which then limits nothing.
    IP_VERSIONS: Choices<IpVersion> = GROUP "ip_versions" default "4"
        Choices(&[("4", IpVersion::V4), ("6", IpVersion::V6)]);
    /// Seconds of the base window.
    BASE_WINDOW_DURATION: Integer = GROUP "base_window_duration" default "10" SECONDS;
    /// Requests that a guest may make in any time of that length.
    BASE_QUERY_RATE_LIMIT: Integer = GROUP "base_query_rate_limit" default "10" REQUESTS;
    /// Seconds of the burst window, which holds beside the base window.
    BURST_WINDOW_DURATION: Integer = GROUP "burst_window_duration" default "10" SECONDS;
    /// Requests that a guest may make in any time of that length.
    BURST_QUERY_RATE_LIMIT: Integer = GROUP "burst_query_rate_limit" default "10" REQUESTS;
}
