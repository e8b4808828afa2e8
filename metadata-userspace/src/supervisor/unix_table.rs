//! Which unix sockets there are in this network namespace (proc(5), `net/unix`).

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const TABLE: &str = "/proc/thread-self/net/unix";
/// Before the path stand number, references, protocol, flags, type, state and inode.
const COLUMNS_BEFORE: usize = 7;

/// Whether somebody has a socket that was bound to this path, listening or not.
pub(super) fn is_bound(path: &Path) -> io::Result<bool> {
    Ok(has(&fs::read(TABLE)?, path))
}

fn has(table: &[u8], path: &Path) -> bool {
    let lines = table.split(|byte| *byte == b'\n');
    lines
        .filter_map(bound_to)
        .any(|bound| bound == path.as_os_str().as_bytes())
}

/// Paths may have blanks, the columns before have not; one at least is between two.
fn bound_to(line: &[u8]) -> Option<&[u8]> {
    (0..COLUMNS_BEFORE).try_fold(line, |rest, _| {
        let rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        rest.get(end + 1..)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;
    use crate::testing::when_dropped;

    #[test]
    fn a_path_is_found_with_its_blanks_and_as_a_whole() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            000000004c1aeb75: 00000002 00000000 00010000 0001 01   460818 /run/my socket\n\
            000000005561a4b4: 00000003 00000000 00000000 0005 03 94461502\n";
        assert!(has(table, Path::new("/run/my socket")));
        for other in ["/run/my", "socket", "/run/my socket2", ""] {
            assert!(!has(table, Path::new(other)), "{other:?}");
        }
    }

    #[test]
    fn a_socket_is_there_as_long_as_somebody_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let [stream, datagram] = ["stream", "datagram"].map(|name| directory.path().join(name));
        let sockets = (
            UnixListener::bind(&stream).unwrap(),
            UnixDatagram::bind(&datagram).unwrap(),
        );
        assert!(is_bound(&stream).unwrap() && is_bound(&datagram).unwrap());
        drop(sockets);
        assert!(when_dropped(|| !is_bound(&stream).unwrap()));
        assert!(when_dropped(|| !is_bound(&datagram).unwrap()));
    }
}
