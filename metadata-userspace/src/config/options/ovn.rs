//! Options of the ovn resolver.

use super::super::types::{FilePath, Integer, Optional, OvsdbLocal, OvsdbRemotes};
use super::{DEFAULT_GROUP, SECONDS, options};

const OVN_GROUP: &str = "ovn";
const OVS_GROUP: &str = "ovs";

options! {
    /// Servers of OVN's southbound database, tried in turn.
    OVN_SB_CONNECTION: OvsdbRemotes = OVN_GROUP "ovn_sb_connection" default "tcp:127.0.0.1:6642"
        OvsdbRemotes;
    /// PEM file of the key for `ssl:` servers.
    OVN_SB_PRIVATE_KEY: Optional<FilePath> = OVN_GROUP "ovn_sb_private_key" default ""
        Optional(FilePath);
    /// PEM file of the certificate of that key.
    OVN_SB_CERTIFICATE: Optional<FilePath> = OVN_GROUP "ovn_sb_certificate" default ""
        Optional(FilePath);
    /// PEM file of the authorities that sign the certificates of `ssl:` servers;
    /// the names in those are not checked, as Open vSwitch's own clients do.
    OVN_SB_CA_CERT: Optional<FilePath> = OVN_GROUP "ovn_sb_ca_cert" default "" Optional(FilePath);
    /// Seconds that such a server has for an answer.
    OVN_CONNECTION_TIMEOUT: Integer = OVN_GROUP "ovsdb_connection_timeout" default "180" SECONDS;
    /// Milliseconds of silence after which a server is asked whether it is there; 0
    /// is never, and fewer than 1000 are 1000.
    OVSDB_PROBE_INTERVAL: Integer = OVN_GROUP "ovsdb_probe_interval" default "60000"
        Integer { min: 0, max: 86_400_000 };
    /// The database server of this host's Open vSwitch.
    OVS_CONNECTION: OvsdbLocal = OVS_GROUP "ovsdb_connection"
        default "unix:/usr/local/var/run/openvswitch/db.sock" OvsdbLocal;
    /// Seconds that it has for an answer.
    OVS_CONNECTION_TIMEOUT: Integer = OVS_GROUP "ovsdb_connection_timeout" default "180" SECONDS;
    /// Seconds after which Neutron's server thinks that an agent is dead; the
    /// answers to OVN's liveness numbers are delayed by less than a third of it.
    AGENT_DOWN_TIME: Integer = DEFAULT_GROUP "agent_down_time" default "75" SECONDS;
}
