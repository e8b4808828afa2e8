//! What holds for whatever bytes come from outside.
//!
//! Each target is a property of one reader: it takes any bytes, and panics when the
//! property does not hold. `cargo xtask fuzz` looks for bytes that break one; the
//! tests try those in `fuzz/seeds`, and others like them.

mod haproxy_config;
mod http_head;
mod oslo_config;
mod oslo_messaging;
mod ovsdb;
mod packet;
mod saved_syn;
mod second_opinion;
#[cfg(test)]
mod tests;

pub use haproxy_config::haproxy_config;
pub use http_head::http_head;
pub use oslo_config::oslo_config;
pub use oslo_messaging::oslo_messaging;
pub use ovsdb::ovsdb;
pub use packet::packet;
pub use saved_syn::saved_syn;

/// A property, and the name of its target.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("haproxy_config", haproxy_config),
    ("http_head", http_head),
    ("oslo_config", oslo_config),
    ("oslo_messaging", oslo_messaging),
    ("ovsdb", ovsdb),
    ("packet", packet),
    ("saved_syn", saved_syn),
];

/// A message that can stand in a log and on a terminal.
fn assert_printable(message: &str) {
    let is_printable = |c: char| c == '\n' || !c.is_control();
    assert!(message.chars().all(is_printable), "{message:?}");
}
