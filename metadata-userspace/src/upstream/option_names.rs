//! What operators call the settings of an upstream.

/// The options that say where an upstream is and how to speak TLS with it. Errors
/// name them, because an operator knows no other names.
#[derive(Debug)]
pub struct OptionNames {
    /// Its host: `nova_metadata_host`.
    pub host: &'static str,
    /// Whether TLS is spoken: `nova_metadata_protocol`.
    pub protocol: &'static str,
    /// The authorities' certificates: `auth_ca_cert`.
    pub ca: &'static str,
    /// No verification: `nova_metadata_insecure`; upstreams without such an
    /// option have none.
    pub insecure: Option<&'static str>,
    /// Our own certificate: `nova_client_cert`.
    pub cert: &'static str,
    /// Its key: `nova_client_priv_key`.
    pub key: &'static str,
}

impl OptionNames {
    /// What to check when certificates do not please: a clause.
    pub(super) fn of_certificates(&self) -> String {
        let or = self.insecure.map(|insecure| format!(" (or {insecure})"));
        let or = or.unwrap_or_default();
        format!("{}{or}, {} and {}", self.ca, self.cert, self.key)
    }
}
