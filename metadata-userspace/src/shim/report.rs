//! What a shim has to say: on standard error while somebody listens there, and in
//! the log where operators look for that haproxy.

use std::os::unix::net::UnixDatagram;

use super::order::Log;

/// `LOG_WARNING` and `LOG_INFO` of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Warning = 4,
    Info = 6,
}

/// Writes a line to the socket of the host's log, if there is one: the agent that
/// started the shim may have gone long ago.
pub(super) fn to_log(log: &Log, severity: Severity, text: &str) {
    let line = line(log, severity, text, std::process::id());
    if let Ok(socket) = UnixDatagram::unbound() {
        // A log that is full must not hold up a proxy.
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(line.as_bytes(), &log.socket);
    }
}

/// As syslog(3) sends it, without the time, which the receiver knows.
fn line(log: &Log, severity: Severity, text: &str, pid: u32) -> String {
    let priority = u32::from(log.facility.0) * 8 + severity as u32;
    format!("<{priority}>{}[{pid}]: {text}", log.tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::order::Facility;

    #[test]
    fn a_line_is_found_by_the_tag_that_neutron_gave() {
        let log = Log {
            socket: "/dev/log".into(),
            facility: Facility::LOCAL0,
            tag: "haproxy-metadata-proxy-1".into(),
        };
        assert_eq!(
            line(&log, Severity::Warning, "waiting", 7),
            "<132>haproxy-metadata-proxy-1[7]: waiting"
        );
    }
}
