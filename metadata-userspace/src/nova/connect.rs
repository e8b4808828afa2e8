//! Where Nova is and how to speak with it, by Neutron's options.

use crate::config::{NovaConfig, NovaProtocol};
use crate::upstream::{Connector, OptionNames, TlsError, TlsFiles, TlsPaths};

static OPTIONS: OptionNames = OptionNames {
    host: "nova_metadata_host",
    protocol: "nova_metadata_protocol",
    ca: "auth_ca_cert",
    insecure: Some("nova_metadata_insecure"),
    cert: "nova_client_cert",
    key: "nova_client_priv_key",
};

/// Reads the files that matter under `config`; none for plain HTTP.
pub fn read_tls(config: &NovaConfig) -> Result<TlsFiles, TlsError> {
    if config.protocol == NovaProtocol::Http {
        return Ok(TlsFiles::default());
    }
    let paths = TlsPaths {
        // As in Neutron, nova_metadata_insecure wins over auth_ca_cert.
        ca: config.ca_cert.as_deref().filter(|_| !config.insecure),
        client: config
            .client_identity
            .as_ref()
            .map(|pair| (pair.cert.as_path(), pair.key.as_path())),
    };
    TlsFiles::read(&paths, &OPTIONS)
}

pub(super) fn connector(config: &NovaConfig, files: &TlsFiles) -> Result<Connector, TlsError> {
    let (host, port) = (&config.host, config.port);
    match config.protocol {
        NovaProtocol::Http => Ok(Connector::plain(host, port, &OPTIONS)),
        NovaProtocol::Https => Connector::tls(host, port, files, config.insecure, &OPTIONS),
    }
}
