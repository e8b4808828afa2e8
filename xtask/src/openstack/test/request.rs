//! One thing that a guest does.

use std::net::Ipv4Addr;

use super::difference::Difference;

/// Bytes that go out together.
#[derive(Clone, Debug)]
pub(super) struct Part(pub(super) Vec<u8>);

/// What must be so before a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// Nobody has posted a password.
    NoPassword,
    /// Nova has forgotten what it read from its database.
    FreshNova,
}

/// Where it can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Everywhere,
    /// Only with OVN: its network has no router.
    Ovn,
}

/// A request of a guest.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The row of the table that it belongs to.
    pub(super) group: &'static str,
    pub(super) name: String,
    /// The instance that asks.
    pub(super) guest: &'static str,
    /// The source address, when it is not the instance's first.
    pub(super) source: Option<Ipv4Addr>,
    pub(super) parts: Vec<Part>,
    pub(super) is_head: bool,
    pub(super) before: Before,
    pub(super) place: Where,
    pub(super) differences: &'static [Difference],
}

impl Request {
    /// GET on a connection of its own, from `web`.
    pub(super) fn get(group: &'static str, path: &str) -> Self {
        Self::with_headers(group, "GET", path, "")
    }

    /// A request without a body and with header lines, each ended by CRLF.
    pub(super) fn with_headers(
        group: &'static str,
        method: &str,
        path: &str,
        headers: &str,
    ) -> Self {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: */*\r\n\
             {headers}Connection: close\r\n\r\n"
        );
        let mut name = format!("{method} {path}");
        if let Some(header) = headers.split("\r\n").next().filter(|line| !line.is_empty()) {
            let start: String = header.chars().take(40).collect();
            name += &format!(" with {start}");
        }
        let mut request = Self::raw(group, &name, &[&text]);
        request.is_head = method == "HEAD";
        request
    }

    /// Bytes as they are, each part in a segment of its own.
    pub(super) fn raw(group: &'static str, name: &str, parts: &[&str]) -> Self {
        Self {
            group,
            name: name.to_owned(),
            guest: "web",
            source: None,
            parts: parts
                .iter()
                .map(|part| Part(part.as_bytes().to_vec()))
                .collect(),
            is_head: false,
            before: Before::Nothing,
            place: Where::Everywhere,
            differences: &[],
        }
    }

    pub(super) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(super) fn from(mut self, guest: &'static str) -> Self {
        self.name += &format!(" from {guest}");
        self.guest = guest;
        self
    }

    pub(super) fn source(mut self, address: Ipv4Addr) -> Self {
        self.name += &format!(" as {address}");
        self.source = Some(address);
        self
    }

    pub(super) fn after(mut self, before: Before) -> Self {
        self.before = before;
        self
    }

    pub(super) fn only_ovn(mut self) -> Self {
        self.place = Where::Ovn;
        self
    }

    pub(super) fn differs(mut self, differences: &'static [Difference]) -> Self {
        self.differences = differences;
        self
    }
}
