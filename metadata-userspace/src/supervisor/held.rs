//! What a daemon listens on, as it tells the program that may take its place: that program
//! will have it then, and cannot try to listen there before.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::adoption::{listens_on_file, tcp_address};
use super::control::ControlError;

/// Environment variable in which it is told.
pub const VARIABLE: &str = "METADATAD_HELD";

/// Addresses and paths. Each is taken once: two sockets cannot have the same.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    tcp: Vec<SocketAddr>,
    unix: Vec<PathBuf>,
}

impl Held {
    /// Where these listen.
    pub fn by<'a>(sockets: impl IntoIterator<Item = &'a OwnedFd>) -> Self {
        let mut held = Self::default();
        for socket in sockets {
            match tcp_address(socket) {
                Ok(address) => held.tcp.push(address),
                Err(_) => held.unix.extend(unix_path(socket)),
            }
        }
        held
    }

    /// With an address that this daemon does without, and another may.
    pub fn or_lacking(mut self, address: Option<SocketAddr>) -> Self {
        self.tcp.extend(address);
        self
    }

    /// What the daemon says that started this process, if one did.
    pub fn of_environment() -> Option<Self> {
        serde_json::from_str(&std::env::var(VARIABLE).ok()?).ok()
    }

    pub fn to_text(&self) -> Result<String, ControlError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Whether this address is free once the daemon's sockets are.
    pub fn take_tcp(&mut self, wanted: SocketAddr) -> bool {
        take(&mut self.tcp, |held| overlap(*held, wanted))
    }

    pub fn take_unix(&mut self, wanted: &Path) -> bool {
        take(&mut self.unix, |held| held == wanted)
    }
}

fn take<T>(all: &mut Vec<T>, is_wanted: impl Fn(&T) -> bool) -> bool {
    let found = all.iter().position(is_wanted);
    found.map(|at| all.swap_remove(at)).is_some()
}

/// Whether one hinders the other.
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (is_any || one.ip() == other.ip())
}

/// None when its file is gone, or another socket's.
fn unix_path(socket: &OwnedFd) -> Option<PathBuf> {
    let reference = SockRef::from(socket);
    let address = reference.local_addr().ok()?;
    let path = address.as_pathname()?;
    let kind = reference.r#type().ok()?;
    listens_on_file(socket, kind, path).then(|| path.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_listens_is_held_once() {
        let directory = tempfile::tempdir().unwrap();
        let [path, replaced] = ["socket", "replaced"].map(|name| directory.path().join(name));
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let listens_no_more = UnixListener::bind(&replaced).unwrap();
        std::fs::remove_file(&replaced).unwrap();
        let _another = UnixListener::bind(&replaced).unwrap();
        let sockets: [OwnedFd; 4] = [
            tcp.into(),
            UnixListener::bind(&path).unwrap().into(),
            listens_no_more.into(),
            tempfile::tempfile().unwrap().into(),
        ];
        let told = Held::by(&sockets).to_text().unwrap();
        let mut held: Held = serde_json::from_str(&told).unwrap();
        assert!(!held.take_unix(&replaced));
        assert_eq!([(); 2].map(|()| held.take_unix(&path)), [true, false]);
        assert_eq!([(); 2].map(|()| held.take_tcp(address)), [true, false]);
    }

    #[test]
    fn an_address_that_contains_another_is_in_its_way() {
        let held = |text: &str| Held::default().or_lacking(Some(text.parse().unwrap()));
        let take = |text: &str, wanted: &str| held(text).take_tcp(wanted.parse().unwrap());
        assert!(take("127.0.0.1:80", "0.0.0.0:80"));
        assert!(take("[::]:80", "127.0.0.1:80"));
        assert!(!take("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!take("127.0.0.1:80", "0.0.0.0:81"));
    }
}
