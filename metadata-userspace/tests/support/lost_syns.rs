//! Whether a connection was lost, which a client that is patient does not notice.

use anyhow::{Result, ensure};
use xtask::lab::guest::Guest;

/// A SYN that was lost is sent again, after a second.
pub(crate) fn no_syn_was_lost(guest: &Guest) -> Result<()> {
    let counted = guest.namespace().sh("nstat -asz TcpExtTCPSynRetrans")?;
    let mut words = counted.split_whitespace();
    let again = words.find(|word| *word == "TcpExtTCPSynRetrans");
    ensure!(again.is_some() && words.next() == Some("0"), "{counted}");
    Ok(())
}
