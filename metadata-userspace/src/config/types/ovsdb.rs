//! Where ovsdb-servers listen, as OVS writes it (ovsdb(7), "Active OVSDB
//! Connection").

use std::path::PathBuf;

use super::OptionType;
use super::network::HostAddress;
use crate::config::OvsdbRemote;

/// One or more servers.
#[derive(Debug)]
pub(in crate::config) struct OvsdbRemotes;

/// The server of this host.
#[derive(Debug)]
pub(in crate::config) struct OvsdbLocal;

impl OptionType for OvsdbRemotes {
    type Value = Vec<OvsdbRemote>;

    fn parse(&self, text: &str) -> Option<Vec<OvsdbRemote>> {
        text.split(',').map(|one| remote(one.trim())).collect()
    }

    fn allowed(&self) -> String {
        "a list of `tcp:ADDRESS:PORT`, `ssl:ADDRESS:PORT` (brackets around IPv6 addresses) and \
         `unix:/PATH`"
            .to_owned()
    }
}

impl OptionType for OvsdbLocal {
    type Value = Option<OvsdbRemote>;

    fn parse(&self, text: &str) -> Option<Option<OvsdbRemote>> {
        match remote(text)? {
            OvsdbRemote::Ssl { .. } => None,
            other => Some(Some(other)),
        }
    }

    fn allowed(&self) -> String {
        "`unix:/PATH` or `tcp:ADDRESS:PORT` (brackets around IPv6 addresses)".to_owned()
    }
}

fn remote(text: &str) -> Option<OvsdbRemote> {
    let (kind, place) = text.split_once(':')?;
    if kind == "unix" {
        let path = PathBuf::from(place);
        return path.is_absolute().then_some(OvsdbRemote::Unix(path));
    }
    let (host, port) = place.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match (bare, host.contains(':')) {
        (Some(bare), _) => bare,
        (None, false) => host,
        // An IPv6 address without brackets: which colon is the port's?
        (None, true) => return None,
    };
    let host = HostAddress.parse(host)?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    match kind {
        "tcp" => Some(OvsdbRemote::Tcp { host, port }),
        "ssl" => Some(OvsdbRemote::Ssl { host, port }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn servers_are_unix_sockets_and_addresses() {
        let tcp = |host: &str, port| OvsdbRemote::Tcp {
            host: host.into(),
            port,
        };
        let ssl = OvsdbRemote::Ssl {
            host: "sb.example.org".into(),
            port: 6642,
        };
        let socket = OvsdbRemote::Unix("/run/ovn/ovnsb_db.sock".into());
        check(
            &OvsdbRemotes,
            &[
                ("tcp:127.0.0.1:6642", vec![tcp("127.0.0.1", 6642)]),
                (
                    "ssl:sb.example.org:6642, tcp:[::1]:6642,unix:/run/ovn/ovnsb_db.sock",
                    vec![ssl, tcp("::1", 6642), socket.clone()],
                ),
            ],
            &[
                "",
                "127.0.0.1:6642",
                "tcp:127.0.0.1",
                "tcp:::1:6642",
                "tcp:a:0",
                "unix:x",
                "ptcp:a:1",
                "tcp:a:1,",
            ],
        );
        check(
            &OvsdbLocal,
            &[("unix:/run/ovn/ovnsb_db.sock", Some(socket))],
            &["ssl:127.0.0.1:6640", ""],
        );
    }

    #[test]
    fn a_server_is_shown_as_it_is_written() {
        for text in ["tcp:127.0.0.1:6642", "ssl:[::1]:6642", "unix:/run/x"] {
            assert_eq!(
                remote(text).map(|remote| remote.to_string()).as_deref(),
                Some(text)
            );
        }
    }
}
