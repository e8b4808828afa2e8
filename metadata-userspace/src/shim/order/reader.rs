//! Line by line through haproxy's sections.

use std::path::PathBuf;

use uuid::Uuid;

use super::limits::LimitReader;
use super::words::{bind, count, header, log, seconds};
use super::{Bind, Facility, Fault, Header, Log, MOST_FAULTS, ProxyOrder};
use crate::identity::Realm;

/// Timeouts of haproxy's; those that hold are metadatad's own.
const TIMEOUTS: [&str; 6] = [
    "http-request",
    "connect",
    "client",
    "server",
    "http-keep-alive",
    "queue",
];
/// What metadatad does anyway.
const OPTIONS: [&str; 4] = ["httplog", "dontlognull", "http-server-close", "forwardfor"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    Global,
    Defaults,
    Backend(String),
    Listen,
}

/// Why a line is not understood.
pub(super) type Problem = String;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    section: Section,
    faults: Vec<Fault>,
    log: Option<(PathBuf, Facility)>,
    tag: Option<String>,
    user: Option<String>,
    group: Option<String>,
    pidfile: Option<PathBuf>,
    daemon: bool,
    binds: Vec<Bind>,
    socket: Option<PathBuf>,
    identity: Option<(Header, Realm)>,
    deleted: Vec<Header>,
    limits: LimitReader,
}

impl Reader {
    /// Takes one line; its fault is kept.
    pub(super) fn read(&mut self, number: usize, line: &str) {
        let words: Vec<&str> = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .collect();
        let Some((&first, rest)) = words.split_first() else {
            return;
        };
        let done = if line.contains(['"', '\'', '\\']) {
            Err("quotes and backslashes are not understood".to_owned())
        } else {
            self.take(first, rest)
        };
        if let Err(problem) = done {
            self.reject(Some(number), problem);
        }
    }

    fn reject(&mut self, line: Option<usize>, problem: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { line, problem });
        }
    }

    fn take(&mut self, first: &str, rest: &[&str]) -> Result<(), Problem> {
        self.section = match (first, rest) {
            ("global", []) => Section::Global,
            ("defaults", [] | [_]) => Section::Defaults,
            ("backend", [name]) => Section::Backend((*name).to_owned()),
            ("listen", [_]) => Section::Listen,
            _ => return self.take_line(first, rest),
        };
        Ok(())
    }

    fn take_line(&mut self, first: &str, rest: &[&str]) -> Result<(), Problem> {
        match &self.section {
            Section::None => Err(format!("`{}` stands in no section", shown(first))),
            Section::Global => self.global(first, rest),
            Section::Defaults => defaults(first, rest),
            Section::Backend(name) => self.limits.table(&name.clone(), first, rest),
            Section::Listen => self.listen(first, rest),
        }
    }

    fn global(&mut self, first: &str, rest: &[&str]) -> Result<(), Problem> {
        match (first, rest) {
            ("log", [address, facility, ..]) => self.log = log(address, facility)?,
            ("log-tag", [tag]) => self.tag = Some((*tag).to_owned()),
            ("user", [name]) => self.user = Some((*name).to_owned()),
            ("group", [name]) => self.group = Some((*name).to_owned()),
            ("pidfile", [path]) => self.pidfile = Some(PathBuf::from(path)),
            ("daemon", []) => self.daemon = true,
            // How one haproxy shares the machine: metadatad is one for all.
            ("maxconn" | "nbthread" | "nbproc" | "ulimit-n", [number]) => {
                count(number)?;
            }
            ("quiet", []) => {}
            _ if first.starts_with("tune.") => {}
            _ => return Err(unknown(first, rest, "global")),
        }
        Ok(())
    }

    fn listen(&mut self, first: &str, rest: &[&str]) -> Result<(), Problem> {
        match (first, rest) {
            ("bind", [address]) => self.binds.push(bind(address, None)?),
            ("bind", [address, "interface", device]) => {
                self.binds.push(bind(address, Some(device))?);
            }
            ("server", [_, path]) if self.socket.is_none() && path.starts_with('/') => {
                self.socket = Some(PathBuf::from(path));
            }
            ("http-request", ["del-header", name]) => self.deleted.push(header(name)?),
            ("http-request", ["set-header" | "add-header", name, value]) => {
                self.identify(header(name)?, value)?;
            }
            ("http-request", rest) => self.limits.rule(rest)?,
            ("mode" | "option" | "timeout" | "retries" | "log", rest) => defaults(first, rest)?,
            _ => return Err(unknown(first, rest, "listen")),
        }
        Ok(())
    }

    fn identify(&mut self, header: Header, value: &str) -> Result<(), Problem> {
        let id = Uuid::try_parse(value).map_err(|_| format!("`{}` is no UUID", shown(value)))?;
        let realm = match header {
            Header::Router => Realm::Router(id.to_string()),
            Header::Network | Header::OvnNetwork => Realm::Network(id.to_string()),
        };
        match self.identity.replace((header, realm)) {
            None => Ok(()),
            Some(_) => Err("a second identity: a request is of one router or network".to_owned()),
        }
    }

    /// All lines were read.
    pub(super) fn finish(mut self) -> Result<ProxyOrder, Vec<Fault>> {
        let listens_for_both =
            |bind: &Bind| bind.address.is_ipv6() && bind.address.is_unspecified();
        let is_dual_stack = self.binds.iter().any(listens_for_both);
        let limits = std::mem::take(&mut self.limits).finish(is_dual_stack);
        self.find_gaps(limits.as_ref().err());
        let Self {
            identity: Some((header, realm)),
            socket: Some(socket),
            ..
        } = self
        else {
            return Err(self.faults);
        };
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let (log_socket, facility) = self
            .log
            .unwrap_or_else(|| ("/dev/log".into(), Facility::LOCAL0));
        Ok(ProxyOrder {
            log: Log {
                socket: log_socket,
                facility,
                tag: self.tag.unwrap_or_else(|| "haproxy".to_owned()),
            },
            realm,
            header,
            binds: self.binds,
            socket,
            pidfile: self.pidfile,
            daemon: self.daemon,
            user: self.user,
            group: self.group,
            limits: limits.unwrap_or_default(),
        })
    }

    /// Faults that no line has.
    fn find_gaps(&mut self, limits: Option<&Problem>) {
        let deleted = |(header, _): &(Header, Realm)| self.deleted.contains(header);
        let gaps = [
            (
                self.identity.is_none(),
                "no header names a router or network",
            ),
            (
                self.identity.as_ref().is_some_and(deleted),
                "the identity header is deleted too",
            ),
            (self.binds.is_empty(), "no `bind` says where to listen"),
            (self.socket.is_none(), "no `server` says who answers"),
            (limits.is_some(), limits.map_or("", String::as_str)),
        ];
        for (_, what) in gaps.into_iter().filter(|(is_so, _)| *is_so) {
            self.reject(None, what.to_owned());
        }
    }
}

fn defaults(first: &str, rest: &[&str]) -> Result<(), Problem> {
    match (first, rest) {
        ("log", ["global"]) | ("mode", ["http"]) => Ok(()),
        ("option", [name]) if OPTIONS.contains(name) => Ok(()),
        ("retries" | "maxconn", [number]) => count(number).map(drop),
        ("timeout", [name, time]) if TIMEOUTS.contains(name) => seconds(time).map(drop),
        _ => Err(unknown(first, rest, "defaults")),
    }
}

fn unknown(first: &str, rest: &[&str], section: &str) -> Problem {
    let line = [&[first], rest].concat().join(" ");
    format!("`{}` in `{section}` is not understood", shown(&line))
}

/// A text as a message shows it: one line, not endless.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
