//! Connecting to unix sockets that the worker, having no privilege, may not open.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::Config;
use crate::rights::act_on;

/// Connects to `path`, if the configuration names it. Nothing is read or written
/// here: whoever gets the connection speaks first.
pub fn connect(path: &Path, config: &Config) -> io::Result<OwnedFd> {
    let mut named = config.ovn.iter().flat_map(|ovn| ovn.unix_sockets());
    if !named.any(|socket| socket == path) {
        let text = "the configuration does not name this socket";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    // A connection to a unix socket is there at once or not at all (EAGAIN when too
    // many wait for its server), so nothing here waits.
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    act_on(path, |path| socket.connect(&SockAddr::unix(path)?))?;
    Ok(socket.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::config::{ConfigSource, ConfigSources};

    #[test]
    fn only_what_the_configuration_names_is_connected_to() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("named");
        let other = directory.path().join("other");
        let _listeners = [&named, &other].map(|path| UnixListener::bind(path).unwrap());
        let text = format!(
            "[metadatad]\nresolver = ovn\n[ovn]\novn_sb_connection = unix:{}\n",
            named.display()
        );
        let file = directory.path().join("conf");
        std::fs::write(&file, text).unwrap();
        let sources = ConfigSources {
            from: vec![ConfigSource::File(file)],
            inventory: None,
        };
        let config = Config::load(&sources).unwrap();
        assert!(connect(&named, &config).is_ok());
        let refused = connect(&other, &config).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        drop(directory);
        assert_eq!(
            connect(&named, &config).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
