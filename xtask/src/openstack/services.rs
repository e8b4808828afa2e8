//! What runs, and how.

pub(super) mod keystone;
pub(super) mod mariadb;
pub(super) mod neutron;
pub(super) mod nova;
pub(super) mod ovn;
pub(super) mod rabbitmq;
mod wsgi;

/// In the order in which they start; they end in the opposite one.
pub(super) const NAMES: [&str; 13] = [
    mariadb::NAME,
    rabbitmq::EPMD,
    rabbitmq::NAME,
    ovn::SOUTHBOUND,
    ovn::SWITCH,
    keystone::NAME,
    neutron::API,
    neutron::RPC,
    nova::NAME,
    neutron::L3_AGENT,
    neutron::DHCP_AGENT,
    neutron::METADATA_AGENT,
    ovn::METADATA_AGENT,
];

/// How many of them the others need until their own end.
pub(super) const FOUNDATIONS: usize = 5;
