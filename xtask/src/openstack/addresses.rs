//! Where the cloud's services listen, all on loopback, and how they trust each
//! other. The ports are none of the usual ones, which a machine may use.

pub(super) const AMQP: u16 = 18_672;
pub(super) const EPMD: u16 = 18_369;
pub(super) const ERLANG: u16 = 18_673;
pub(super) const KEYSTONE: u16 = 18_500;
pub(super) const NEUTRON: u16 = 18_696;
pub(super) const NOVA_METADATA: u16 = 18_775;
pub(super) const OVN_SOUTHBOUND: u16 = 18_642;

/// All of them, to see before the start that nobody else has one.
pub(super) const ALL: [u16; 7] = [
    AMQP,
    EPMD,
    ERLANG,
    KEYSTONE,
    NEUTRON,
    NOVA_METADATA,
    OVN_SOUTHBOUND,
];

/// Neutron's `host` of every agent, and OVN's chassis.
pub(super) const HOST: &str = "lab";
pub(super) const REGION: &str = "RegionOne";

pub(super) const ADMIN_PASSWORD: &str = "admin's lab password";
/// Whose password metadatad logs in with.
pub(super) const SERVICE_USER: &str = "nova";
pub(super) const SERVICE_PASSWORD: &str = "service lab password";
pub(super) const SHARED_SECRET: &str = "lab secret";

pub(super) const AMQP_USER: &str = "openstack";
/// Holds what must be escaped in a URL, except `/`: kombu does not quote that.
pub(super) const AMQP_PASSWORD: &str = "p@ss:1%&word";
pub(super) const AMQP_PASSWORD_IN_URL: &str = "p%40ss%3A1%25%26word";

pub(super) fn transport_url() -> String {
    format!("rabbit://{AMQP_USER}:{AMQP_PASSWORD_IN_URL}@127.0.0.1:{AMQP}/")
}

pub(super) fn keystone_url() -> String {
    format!("http://127.0.0.1:{KEYSTONE}/v3")
}

pub(super) fn neutron_url() -> String {
    format!("http://127.0.0.1:{NEUTRON}")
}
